"""Values from fields into others: converted, split or filled in, over what is stored, as a job."""
