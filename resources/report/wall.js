"use strict";
/**
 * Fit the wall that a line crosses, as polarstem.displacements.wall_profile does: displacements
 * beside the line follow middle + half tanh(2 (s - position) / width).
 *
 * cells has arrays x, y [nm, y downwards], ux, uy, sigma_x and sigma_y [pm, null where there is
 * none]; start and end are [x, y]. Returns { problem } or { distance, component, position, width, jump, scatter, curve,
 * sentence }, position and width as [best, low, high].
 */
function fitWall(cells, start, end) {
  const leastCells = 8, unknowns = 6, narrowest = 0.05, rounding = 1e-6, steps = 61, likely = 9, clear = 5, rough = 3;
  const length = Math.hypot(end[0] - start[0], end[1] - start[1]);
  if (!(length > 0)) return { problem: "The line across the wall has no length; give two different points." };
  const distance = [], shift = [[], []];
  let told = 0;
  cells.x.forEach((x, i) => {
    const along = ((x - start[0]) * (end[0] - start[0]) + (cells.y[i] - start[1]) * (end[1] - start[1])) / length;
    if (along < -rounding || along > length + rounding || cells.ux[i] === null) return;
    distance.push(along);
    shift[0].push(cells.ux[i]);
    shift[1].push(cells.uy[i]);
    told += (cells.sigma_x[i] ** 2 + cells.sigma_y[i] ** 2) / 2;
  });
  const count = distance.length, mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  if (count < leastCells) {
    return { problem: `Beside the line across the wall lie ${count} unit cells with a displacement, but its profile takes ${leastCells}; draw a longer line.` };
  }
  const means = shift.map(mean), moved = shift.map((part, axis) => part.map((v) => v - means[axis]));
  const all = moved.flat().reduce((sum, v) => sum + v * v, 0);
  const rises = (position, width) => distance.map((s) => Math.tanh((2 * (s - position)) / width));
  const swings = (position, width) => {
    const rise = rises(position, width), middle = mean(rise);
    return rise.map((v) => v - middle);
  };
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const table = (positions, widths) => positions.map((position) => widths.map((width) => {
    const swing = swings(position, width);
    const along = moved.reduce((sum, part) => sum + dot(swing, part) ** 2, 0);
    return all - along / (dot(swing, swing) + 1e-9);
  }));
  const least = (values) => values.reduce((low, v) => Math.min(low, v), Infinity);
  const grid = (low, high) => Array.from({ length: steps }, (_, i) => low + ((high - low) * i) / (steps - 1));
  // the least of each position, over all widths, and the other way round
  const best = (squares) => [squares.map(least), squares[0].map((_, j) => least(squares.map((row) => row[j])))];
  const closer = (values, squares, most) => {
    const inside = squares.map((v) => v <= most);
    const first = inside.indexOf(true), last = inside.lastIndexOf(true);
    return grid(values[Math.max(0, first - 1)], values[Math.min(values.length - 1, last + 1)]);
  };
  const farthest = distance.reduce((high, v) => Math.max(high, v), -Infinity);
  let axes = [grid(least(distance), farthest),
    Array.from({ length: steps }, (_, i) => narrowest * (length / narrowest) ** (i / (steps - 1)))];
  const freedom = 2 * count - unknowns;
  for (let round = 0; round < 2; round++) {
    const lowest = best(table(...axes)), low = least(lowest[0]);
    axes = axes.map((values, axis) => closer(values, lowest[axis], low + (likely * low) / freedom));
  }
  const lowest = best(table(...axes)), low = least(lowest[0]), variance = low / freedom;
  const [position, width] = axes.map((values, axis) => {
    const inside = values.filter((_, i) => lowest[axis][i] <= low + variance);
    return [values[lowest[axis].indexOf(low)], inside[0], inside[inside.length - 1]];
  });
  const swing = swings(position[0], width[0]), strength = dot(swing, swing);
  const half = moved.map((part) => dot(swing, part) / strength), jump = 2 * Math.hypot(...half);
  if (jump / 2 < clear * Math.sqrt(variance / strength)) {
    return { problem: "Along the line the displacements do not change as across a wall; draw it from one domain into another." };
  }
  const scatter = Math.sqrt(variance), error = Math.sqrt(told / count);
  if (scatter > rough * error) {
    return { problem: `Beside the line the cells scatter by ${scatter.toFixed(1)} pm about the profile of a wall, not by ${error.toFixed(1)} pm as their errors say; draw it at a right angle to the wall, where that is straight.` };
  }
  const middleRise = mean(rises(position[0], width[0]));
  const middle = half.map((v, axis) => means[axis] - middleRise * v);
  const short = (value) => String(Number(value.toPrecision(2)));
  const wide = width[1] <= narrowest * 1.01
    ? `at most ${short(width[2])} nm wide`
    : `${short(width[0])} nm wide (${short(width[1])} to ${short(width[2])})`;
  return {
    distance, position, width, jump, scatter,
    component: distance.map((_, i) => half.reduce((sum, v, axis) => sum + (shift[axis][i] - middle[axis]) * v, 0) / Math.hypot(...half)),
    curve: (s) => (jump / 2) * Math.tanh((2 * (s - position[0])) / width[0]),
    sentence: `Wall ${position[0].toFixed(2)} nm from the start of the line (${position[1].toFixed(2)} to ${position[2].toFixed(2)}), ${wide}, a cell's size and the beam's spread included, with 68 % confidence; the displacement changes by ${jump.toFixed(1)} pm.`,
  };
}
