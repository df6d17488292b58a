"""The learned generator that refines mouths and eyes of rendered frames."""
