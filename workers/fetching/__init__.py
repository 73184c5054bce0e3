"""Files from addresses, as streams of bytes: what is at the other end is not trusted."""
