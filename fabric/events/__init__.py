"""What happened: written with each change, read in commit order, and what it means to one reader."""
