"""What organizations choose for themselves, kept in the database. What a process is told is in `fabric.settings`."""
