# SPDX-License-Identifier: GPL-2.0
"""The picture of scripts/run: QEMU's resident size over time, with gnuplot."""
import os
import shutil
import subprocess

import vm

COLOURS = {'hinting': '#0072b2', 'reporting': '#d55e00', 'none': '#777777'}

SCRIPT = """
set title "Resident size of a {mem} MiB guest's QEMU: {touch} MiB freed at 0 s"
set xlabel "seconds since the guest freed its memory"
set ylabel "resident size, GiB"
set xrange [-0.5:{end}]
set yrange [0:*]
set grid lc rgb "#dddddd"
set border 3
set tics nomirror out
set key at graph 0.98, 0.85 right top
set terminal pngcairo size 1200,675 font "sans,14" background "#ffffff"
set output "resident.png"
plot {lines}
set terminal svg size 1200,675 font "sans,16" background "#ffffff"
set output "resident.svg"
replot
"""


def thin(points):
    """Leave out points between two of the same value."""
    keep = []
    for i, point in enumerate(points):
        if 0 < i < len(points) - 1 and points[i - 1][1] == point[1] == points[i + 1][1]:
            continue
        keep.append(point)
    return keep


def draw(directory, args, arms):
    """Write the data, the gnuplot script and both pictures; say where."""
    if not shutil.which('gnuplot'):
        raise vm.Failure('drawing the picture', 'gnuplot is not installed',
                         'scripts/install-deps run')
    os.makedirs(directory, exist_ok=True)
    last = max((arm.time_of(95) or 0) for arm in arms)
    end = max(5, last + 2)
    lines = []
    for arm in arms:
        points = [(t, rss) for t, rss in arm.since_free() if t <= end]
        with open(os.path.join(directory, arm.key + '.dat'), 'w', encoding='ascii') as data:
            data.write('# seconds since the free, GiB resident\n')
            for t, rss in thin(points):
                data.write(f'{t:.3f} {rss / (1 << 30):.4f}\n')
        lines.append(f'"{arm.key}.dat" with lines lw 3 lc rgb "{COLOURS[arm.key]}" '
                     f'title "{arm.name}"')
    script = os.path.join(directory, 'resident.gnuplot')
    with open(script, 'w', encoding='ascii') as out:
        out.write(SCRIPT.format(mem=args.mem, touch=args.touch, end=f'{end:.1f}',
                                lines=', '.join(lines)))
    done = subprocess.run(['gnuplot', os.path.basename(script)], cwd=directory, text=True,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise vm.Failure('drawing the picture', done.stderr.strip(),
                         f'cd {directory} && gnuplot {os.path.basename(script)}')
    print(f'picture: {directory}/resident.png and resident.svg')
