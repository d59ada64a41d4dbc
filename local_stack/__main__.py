"""`python -m local_stack`: the command `tandem` where it isn't installed as one."""

from local_stack.cli import app

app(prog_name="tandem")
