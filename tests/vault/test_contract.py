import pytest
from contract import VaultContract

pytestmark = pytest.mark.anyio


class TestVaults(VaultContract):
    """Each test of the contract, for each backend."""
