"""The programs that ``retrograd explain`` shows; they are read as text, and run."""
