"""Fields that are answered without the compiler, and what they give."""
