"""Documents: parsed, limited, registered; their selections and values."""
