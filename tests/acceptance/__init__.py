"""The product as a user meets it: the pages, the command line, the examples."""
