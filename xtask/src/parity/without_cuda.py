"""Lets the `torch` wheel for CUDA run on the CPU without NVIDIA's libraries, which are 4 GB.

Its own libraries name them and must find their symbols when they are loaded; on the CPU nothing
calls them. So one small library with these symbols, each returning an error, stands in for all.
Run by the Python of the environment that holds torch.
"""

import collections
import pathlib
import subprocess
import sys
import sysconfig

PACKAGES = pathlib.Path(sysconfig.get_paths()["purelib"])
LIBRARIES = PACKAGES / "torch" / "lib"
STAND_IN = "libwithout_cuda.so"
# These two are small and called at the start; they are installed as they are.
REAL = ("libcudart.so", "libcupti.so")
VENDOR = ("libcu", "libnccl", "libnvshmem")


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def lacking_libraries(loaded):
    """Names that the loaded libraries ask for and the environment has not."""
    names = set()
    for library in loaded:
        for line in lines_of("readelf", "-d", library):
            if "(NEEDED)" in line:
                names.add(line[line.index("[") + 1 : line.index("]")])
    return sorted(
        name
        for name in names
        if name.startswith(VENDOR) and not name.startswith(REAL) and not (LIBRARIES / name).is_file()
    )


def lacking_symbols(loaded):
    """version -> names, of the C functions of those libraries."""
    symbols = collections.defaultdict(set)
    for library in loaded:
        for line in lines_of("nm", "-D", "--undefined-only", library):
            name, _, version = line.split()[-1].partition("@")
            of_vendor = name.startswith(("cu", "nccl", "nvshmem")) or version == "NVSHMEM"
            if of_vendor and not version.startswith(REAL):
                symbols[version].add(name)
    return symbols


def build(symbols):
    names = sorted(set().union(*symbols.values()))
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in names)
    # Symbols are looked up with the version that the real library gives them.
    script = LIBRARIES / "without_cuda.map"
    script.write_text(
        "".join(
            f"{version} {{ global: {' '.join(name + ';' for name in sorted(symbols[version]))} }};\n"
            for version in sorted(symbols)
            if version
        )
    )
    command = ["c++", "-x", "c", "-shared", "-fPIC", f"-Wl,--version-script={script}"]
    subprocess.run([*command, "-o", LIBRARIES / STAND_IN, "-"], input=source, text=True, check=True)


def main():
    # What `import torch` loads; the rest of the wheel's CUDA libraries waits for a first use.
    loaded = [LIBRARIES / f"lib{name}.so" for name in ("torch_cuda", "torch_nvshmem", "torch_python")]
    loaded = [library for library in loaded if library.is_file()]
    lacking = lacking_libraries(loaded)
    if not lacking:
        return
    try:
        build(lacking_symbols(loaded))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} was not found - install a C++ compiler with its binutils")
    for name in lacking:
        (LIBRARIES / name).symlink_to(STAND_IN)


main()
