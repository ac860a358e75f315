"""python -m kaiming_mcp."""

from kaiming_mcp.cli import main

if __name__ == "__main__":
    main()
