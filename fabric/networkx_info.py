"""What networkx is told of our backend when it is imported; so it imports nothing of what it tells of."""

from typing import Any


def info() -> dict[str, Any]:
    """In the form of networkx's entry point `networkx.backend_info`."""
    native = (
        "ancestors bidirectional_shortest_path descendants has_path is_weakly_connected"
        " number_weakly_connected_components pagerank shortest_path shortest_path_length single_source_shortest_path"
        " single_source_shortest_path_length weakly_connected_components"
    )
    return {
        "backend_name": "fabric",
        "project": "semantic-fabric",
        "package": "fabric.graph",
        "short_summary": "Links of the fabric as one reader sees them.",
        "functions": {name: {} for name in native.split()},
    }
