"""Rankings as one reader has them: by words, by meaning, and of several one."""
