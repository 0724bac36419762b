"""From a selection to a typed plan, from a plan to one statement."""
