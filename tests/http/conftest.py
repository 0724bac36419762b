from http_fixtures import _alive_afterwards, assets, organization, other_organization, pair, server

__all__ = ["_alive_afterwards", "assets", "organization", "other_organization", "pair", "server"]
