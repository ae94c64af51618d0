"""What runs inside a sandbox: fetch the workspace, run Claude Code in it, hand back what changed.

Standard library and ``runners.protocol`` only: these files and the protocol are all that an image needs.
"""
