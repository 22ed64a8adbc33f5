"""Where the cells of a sweep are done: in processes of this machine, or by Ray."""
