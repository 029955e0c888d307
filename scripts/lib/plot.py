# SPDX-License-Identifier: GPL-2.0
"""The pictures of scripts/run and scripts/demo, with gnuplot: memory over time."""
import os
import shutil
import subprocess

import vm

COLOURS = {'hinting': '#0072b2', 'reporting': '#d55e00', 'none': '#777777'}

STYLE = """
set grid lc rgb "#dddddd"
set border 3
set tics nomirror out
"""
RESIDENT = """
set title "Resident size of a {mem} MiB guest's QEMU: {touch} MiB freed at 0 s"
set xlabel "seconds since the guest freed its memory"
set ylabel "resident size, GiB"
set xrange [-0.5:{end}]
set yrange [0:*]
set key at graph 0.98, 0.85 right top
"""
VIEW = """
set title "What a {mem} MiB guest sees of its free memory: {touch} MiB freed at 0 s"
set xlabel "seconds since the guest freed its memory"
set ylabel "GiB"
set xrange [-1:{end}]
set yrange [0:*]
set key at graph 0.98, 0.6 right top
"""
DEMO = """
set xlabel "seconds"
set xrange [0:{end}]
set yrange [0:{top}]
set key top left reverse Left
set style fill solid noborder
"""
DEMO_GUESTS = ('#56b4e9', '#e69f00', '#009e73')
OUTPUT = """
set terminal {terminal} size 1200,675 font "{font}" background "#ffffff"
set output "{name}"
"""


def thin(points):
    """Leave out points between two of the same values."""
    keep = []
    for i, point in enumerate(points):
        if 0 < i < len(points) - 1 and points[i - 1][1:] == point[1:] == points[i + 1][1:]:
            continue
        keep.append(point)
    return keep


def write_points(path, points, comment):
    """A data file of (x, y, ...)."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='ascii') as data:
        data.write(f'# {comment}\n')
        for x, *ys in thin(points):
            data.write(f'{x:.3f} ' + ' '.join(f'{y:.4f}' for y in ys) + '\n')


def render(directory, name, settings, command):
    """Write NAME.gnuplot and what it draws, NAME.png and NAME.svg."""
    if not shutil.which('gnuplot'):
        raise vm.Failure('drawing the picture', 'gnuplot is not installed',
                         'scripts/install-deps run')
    os.makedirs(directory, exist_ok=True)
    script = name + '.gnuplot'
    with open(os.path.join(directory, script), 'w', encoding='ascii') as out:
        out.write(STYLE + settings)
        for terminal, font, end in (('pngcairo', 'sans,14', 'png'), ('svg', 'sans,16', 'svg')):
            out.write(OUTPUT.format(terminal=terminal, font=font, name=f'{name}.{end}')
                      + f'{command}\n')
    done = subprocess.run(['gnuplot', script], cwd=directory, text=True,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise vm.Failure('drawing the picture', done.stderr.strip(),
                         f'cd {directory} && gnuplot {script}')


def draw(directory, args, arms):
    """The resident size of each arm, data and picture; say where."""
    end = max(5, max((arm.time_of(95) or 0) for arm in arms) + 2)
    lines = []
    for arm in arms:
        write_points(os.path.join(directory, arm.key + '.dat'),
                     [(t, rss / (1 << 30)) for t, rss in arm.since_free() if t <= end],
                     'seconds since the free, GiB resident')
        lines.append(f'"{arm.key}.dat" with lines lw 3 lc rgb "{COLOURS[arm.key]}" '
                     f'title "{arm.name}"')
    render(directory, 'resident',
           RESIDENT.format(mem=args.mem, touch=args.touch, end=f'{end:.1f}'),
           'plot ' + ', '.join(lines))
    print(f'picture: {directory}/resident.png and resident.svg')


def draw_view(directory, args, view):
    """Hinted, unhinted and in-flight memory of [(seconds, counters)]; say where."""
    lines = []
    for name, title, colour in (('free', 'free', '#777777'), ('hinted', 'hinted', '#0072b2'),
                                ('unhinted', 'not hinted', '#d55e00'),
                                ('in_flight', 'in flight', '#009e73')):
        write_points(os.path.join(directory, f'guest-{name}.dat'),
                     [(t, counters[f'{name}_bytes'] / (1 << 30)) for t, counters in view
                      if t >= -1], f'seconds since the free, GiB {title}')
        lines.append(f'"guest-{name}.dat" with lines lw 3 lc rgb "{colour}" title "{title}"')
    render(directory, 'guest',
           VIEW.format(mem=args.mem, touch=args.touch, end=f'{view[-1][0]:.1f}'),
           'plot ' + ', '.join(lines))
    print(f'picture: {directory}/guest.png and guest.svg')


def draw_demo(directory, args, arms):
    """What the guests of each arm held at the host, one upon the other; say where."""
    budget = args.budget / 1024
    panels = [f'set multiplot layout 1,{len(arms)} title "{len(arms[0].members)} guests of '
              f'{args.mem} MiB take {args.take} MiB in turns: what they hold at the host, GiB"']
    for arm in arms:
        write_points(os.path.join(directory, arm.key + '.dat'),
                     [(t, *(sum(each[:i + 1]) / (1 << 30) for i in range(len(each))))
                      for t, each in arm.samples], 'seconds, GiB resident of guests, added up')
        file = f'"{arm.key}.dat"'
        guests = [f'{file} using 1:{i + 2} with filledcurves y1=0 lc rgb "{colour}" '
                  f'title "guest {i + 1}"' for i, colour in enumerate(DEMO_GUESTS)]
        peak, seconds, gib_s = arm.figures()
        panels += [f'set title "{{/:Bold {arm.name}}}\\npeak {peak}\\n'
                   f'over budget for {seconds}, {gib_s} GiB x s"',
                   'plot ' + ', '.join([
                       *reversed(guests),
                       f'{file} using 1:{len(guests) + 1} with filledcurves above y={budget} '
                       'fs transparent pattern 5 lc rgb "#d00000" title "over budget"',
                       f'{budget} with lines lw 3 dt 2 lc rgb "#000000" title "budget"'])]
    top = max(arm.peak for arm in arms) / (1 << 30) * 1.4
    render(directory, 'demo', DEMO.format(end=f'{max(arm.now for arm in arms):.1f}',
                                          top=f'{max(top, budget * 1.4):.2f}'),
           '\n'.join([*panels, 'unset multiplot']))
    print(f'picture: {directory}/demo.png and demo.svg')
