"""``ferrata doctor``: says what is wrong with an installation, what that means, and how to mend it. It only looks."""
