"""A real schema registry on this machine, without Docker: `server` starts one."""
