"""Archives and folders of pictures from outside: what is in them, and whether that can be a data set."""
