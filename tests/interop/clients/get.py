"""Fetches a file with tftpy: get.py HOST PORT NAME OUT [OPTION=VALUE…]"""
import sys

import tftpy

host, port, name, out = sys.argv[1:5]
options = {key: int(value) for key, value in (word.split("=") for word in sys.argv[5:])}
try:
    tftpy.TftpClient(host, int(port), options).download(name, out)
except Exception as error:  # whatever it is, it is shown
    sys.exit(f"{type(error).__name__}: {error}")
