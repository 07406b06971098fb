#!/usr/bin/env bash
# A whole tile, cold, warm, with a changed rule, and within 8 GiB: `benchmarks/tile.sh WORK_FOLDER [skyloom]`.
#
# Makes the simulated tile in WORK_FOLDER/field first, where it is not there yet (an hour and more; 4 GB). The runs need 30 GB.
set -euo pipefail
work=$(mkdir -p "${1:?a folder to work in}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
skyloom=${2:-target/release/skyloom}
field=$work/field

if [ ! -e "$field/catalogue.fits.gz" ]; then
    "$skyloom" run graphs/simulate.ron --overlay benchmarks/tile.ron --set seed=7 --out "$field" --cache "$work/field-cache"
    rm -rf "$work/field-cache"
fi
settings=(--set "catalogue=$field/catalogue.fits.gz")
for band in Ks J Y; do
    name=$(echo "$band" | tr '[:upper:]' '[:lower:]')
    # A tile of one band serves for all three: the work is the same.
    file=$field/$band.fits.fz conf=$field/${band}_conf.fits.fz
    [ -e "$file" ] || { file=$field/Ks.fits.fz conf=$field/Ks_conf.fits.fz; echo "no $band: Ks takes its place"; }
    settings+=(--set "$name=$file" --set "${name}_confidence=$conf")
done

run() {
    local title=$1
    shift
    echo
    echo "## $title"
    "$skyloom" run graphs/vmc.ron "${settings[@]}" --out "$work/out" --cache "$work/cache" "$@" > "$work/log" 2>&1 || { tail -n 20 "$work/log"; return 1; }
    python3 benchmarks/report.py "$work/out"
}

nproc | sed 's/^/cores: /'
grep -m1 'model name' /proc/cpuinfo || true
rm -rf "$work/cache" "$work/out"
run "cold, budget 6 GiB" --memory 6GiB
run "warm"
run "a changed rule" --set mag_limit=15
rm -rf "$work/cache" "$work/out"
(
    ulimit -d $((8 * 1024 * 1024))
    run "cold, data segment limited to 8 GiB" --memory 8300MiB
)
rm -rf "$work/cache"
echo
echo "## a budget that cannot be met"
"$skyloom" run graphs/vmc.ron "${settings[@]}" --out "$work/out-small" --cache "$work/cache" --memory 1GiB && exit 1 || echo "ended with $?"
