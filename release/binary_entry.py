"""What the binary of PyInstaller starts, see revvlink.spec."""

from revvlink_cli.__main__ import main

main()
