"""Links that follow from others by the rules that definitions give."""
