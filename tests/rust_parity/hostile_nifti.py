"""Reads one hostile NIfTI file, and says as JSON what came of it.

python hostile_nifti.py FILE DTYPE
"""

import json
import sys
import time
from pathlib import Path

from medfusion import _rust


def status(key):
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)
    )
    return int(line.split()[1]) / 1024


def main(path, dtype):
    base, begin = status("VmRSS"), time.process_time()
    try:
        array, _ = _rust.read_nifti(path, dtype)
        result = list(array.shape)
    except (_rust.NiftiReadError, MemoryError) as error:
        result = str(error)
    seconds = time.process_time() - begin
    print(json.dumps({"result": result, "grown": status("VmHWM") - base, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
