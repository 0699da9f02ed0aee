#!/bin/sh
# Prints the first command that runs a Python this project supports and can
# make virtual environments. Says in one line what is missing otherwise.
#
# Usage: find_python.sh [PREFERRED]
#
# Every candidate is run, not only looked up: a name on the PATH may be a
# stub of a version manager that answers with an error.
set -u

preferred=${1:-}
found=''
without_venv=''

for candidate in "$preferred" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] || continue
    version=$("$candidate" -c \
        'import sys; print("%d.%d.%d" % sys.version_info[:3])' \
        2>/dev/null </dev/null) || version=''
    case $version in
    3.11.* | 3.12.* | 3.13.*)
        # Debian and Ubuntu ship these two modules in a package of their own.
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null </dev/null
        then
            if [ -n "$preferred" ] && [ "$candidate" != "$preferred" ]; then
                echo "PYTHON=$preferred does not run Python 3.11, 3.12 or" \
                    "3.13 with the venv module; using $candidate." >&2
            fi
            printf '%s\n' "$candidate"
            exit 0
        fi
        if [ -z "$without_venv" ]; then
            without_venv="$candidate ($version)"
            minor=${version%.*}
        fi
        ;;
    '')
        [ "$candidate" != "$preferred" ] ||
            found="${found:+$found, }$candidate (does not run)"
        ;;
    *)
        found="${found:+$found, }$candidate ($version)"
        ;;
    esac
done

if [ -n "$without_venv" ]; then
    echo "keras_attention needs Python's venv module, which $without_venv" \
        "lacks. On Debian or Ubuntu: apt install" \
        "python$minor-venv" >&2
else
    echo "keras_attention needs Python 3.11, 3.12 or 3.13 (TensorFlow has no" \
        "wheels for others). Found: ${found:-none}. Install one, or:" \
        "make PYTHON=/path/to/python3.12 demo" >&2
fi
exit 1
