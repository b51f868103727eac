"use strict";
(() => {
  const map = JSON.parse(document.getElementById("data").textContent);
  const [rows, columns] = map.shape, [dy, dx] = map.step;
  const classes = map.classes;
  const find = (id) => document.getElementById(id);
  const kinds = { u1: Uint8Array, u2: Uint16Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };

  function unpack(packed) {
    const text = atob(packed.data), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new kinds[packed.type](bytes.buffer);
  }

  // Patterns are unpacked one at a time: bytes are the square root of the share of the brightest.
  function patternStore(packed) {
    if (!packed) return null;
    const bytes = unpack(packed), brightest = unpack(packed.brightest);
    const side = packed.shape[packed.shape.length - 1], size = side * side;
    return {
      side, shape: packed.shape, count: brightest.length,
      of(number) {
        const pattern = new Float32Array(size), scale = brightest[number] / 65025;
        for (let i = 0; i < size; i++) pattern[i] = bytes[number * size + i] ** 2 * scale;
        return pattern;
      },
    };
  }

  function unpackTable(table) {
    const found = { ...table };
    for (const [name, value] of Object.entries(table)) {
      if (value && value.type) found[name] = name === "pattern" ? patternStore(value) : unpack(value);
    }
    return found;
  }

  const positions = unpackTable(map.positions), cells = unpackTable(map.cells);
  const templates = patternStore(map.templates);
  const layers = map.layers;
  for (const layer of Object.values(layers)) layer.colours = unpack(layer.colours);
  const patternColours = unpack(map.pattern_colours);
  const state = {
    layer: "direction", level: "positions", arrows: true, flagged: true, scale: "root",
    row: Math.floor(rows / 2), column: Math.floor(columns / 2),
  };

  const number = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
  const percent = (byte) => `${Math.round((100 * byte) / 255)}\u00a0%`;
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const classColours = classes.map((entry) => rgb(entry.colour));
  const levels = (value, low, high) =>
    Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));

  // ---- the map ----
  const canvas = find("map"), image = document.createElement("canvas");
  [image.width, image.height] = [columns, rows];

  function pixel(table, at) {
    const grey = [222, 222, 222];
    if (at < 0 || table.class[at] < 0) return state.layer === "dark_field" ? null : grey;
    const best = table.class[at], count = classes.length;
    if (state.layer === "direction") {
      const sure = (table.probability[at * count + best] / 255 - 1 / count) / (1 - 1 / count);
      const share = (0.25 + 0.75 * Math.max(0, sure)) * (table.answered[at] ? 1 : map.unanswered);
      return classColours[best].map((part) => 255 - share * (255 - part));
    }
    const layer = layers[state.layer];
    const value = state.layer === "anomaly"
      ? table.anomaly[at] : table.probability[at * count + best] / 255;
    const level = levels(value, layer.low, layer.high);
    return layer.colours.subarray(3 * level, 3 * level + 3);
  }

  function paint() {
    const context = image.getContext("2d"), data = context.createImageData(columns, rows);
    for (let i = 0; i < rows * columns; i++) {
      let colour;
      if (state.layer === "dark_field") {
        const layer = layers.dark_field;
        const level = levels(positions.dark_field[i] || 0, layer.low, layer.high);
        colour = layer.colours.subarray(3 * level, 3 * level + 3);
      } else {
        colour = state.level === "cells" ? pixel(cells, positions.cell[i]) : pixel(positions, i);
      }
      data.data.set(colour, 4 * i);
      data.data[4 * i + 3] = 255;
    }
    context.putImageData(data, 0, 0);
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
    const height = (width * rows * dy) / (columns * dx);
    canvas.style.height = `${height}px`;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    // from here on in units of the scan, from the outer edge of the first position
    const unit = canvas.width / (columns * dx);
    context.setTransform(unit, 0, 0, unit, 0, 0);
    context.lineJoin = "round";
    if (state.flagged) {
      const flagged = (cell) => cell >= 0 && cells.flagged[cell];
      hatch(context, flagged, unit, ratio);
      outline(context, flagged, unit, ratio);
    }
    if (state.arrows) drawArrows(context, unit, ratio);
    mark(context, unit, ratio);
    scaleBar(context, unit, ratio);
  }

  function drawArrows(context, unit, ratio) {
    context.lineWidth = (0.8 * ratio) / unit;
    for (let i = 0; i < cells.class.length; i++) {
      const best = cells.class[i], x = cells.x[i] + dx / 2, y = cells.y[i] + dy / 2;
      if (best < 0) continue;
      const entry = classes[best], side = cells.side;
      context.strokeStyle = "#000";
      context.beginPath();
      if (!cells.answered[i] || entry.direction === null) {
        context.fillStyle = cells.answered[i] ? "#808080" : "#dedede";
        context.arc(x, y, 0.12 * side, 0, 2 * Math.PI);
      } else {
        const sure = cells.probability[i * classes.length + best] / 255;
        const half = (side * (0.5 + 0.4 * sure)) / 2;
        const angle = (-entry.direction * Math.PI) / 180;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const outline = [[-half, -0.07], [half - 0.3 * side, -0.07], [half - 0.3 * side, -0.2],
          [half, 0], [half - 0.3 * side, 0.2], [half - 0.3 * side, 0.07], [-half, 0.07]];
        for (const [along, across] of outline) {
          const off = across * side;
          context.lineTo(x + c * along - s * off, y + s * along + c * off);
        }
        context.closePath();
        // on a map of the same colours, white arrows
        context.fillStyle = state.layer === "direction" ? "#fff" : entry.colour;
      }
      context.fill();
      context.stroke();
    }
  }

  /** Lines from corner to corner of every n-th position join to long ones. */
  function hatch(context, inside, unit, ratio) {
    const every = Math.max(1, Math.round(cells.side / dx / 2));
    context.beginPath();
    for (let r = 0; r < rows; r++) {
      for (let c = (every - (r % every)) % every; c < columns; c += every) {
        if (!inside(positions.cell[r * columns + c])) continue;
        context.moveTo(c * dx, (r + 1) * dy);
        context.lineTo((c + 1) * dx, r * dy);
      }
    }
    stroke(context, unit, 0.6 * ratio);
  }

  function outline(context, inside, unit, ratio) {
    const at = (r, c) => r >= 0 && c >= 0 && r < rows && c < columns &&
      Boolean(inside(positions.cell[r * columns + c]));
    context.beginPath();
    for (let r = 0; r <= rows; r++) {
      for (let c = 0; c <= columns; c++) {
        if (at(r, c) !== at(r - 1, c)) {
          context.moveTo(c * dx, r * dy);
          context.lineTo((c + 1) * dx, r * dy);
        }
        if (at(r, c) !== at(r, c - 1)) {
          context.moveTo(c * dx, r * dy);
          context.lineTo(c * dx, (r + 1) * dy);
        }
      }
    }
    stroke(context, unit, ratio);
  }

  function stroke(context, unit, ratio) {
    for (const [colour, width] of [["#000", 4], ["#fff", 1.8]]) {
      context.strokeStyle = colour;
      context.lineWidth = (width * ratio) / unit;
      context.stroke();
    }
  }

  function mark(context, unit, ratio) {
    const cell = chosenCell();
    if (state.level === "cells" && cell >= 0) outline(context, (other) => other === cell, unit, ratio);
    const x = state.column * dx, y = state.row * dy, gap = (5 * ratio) / unit;
    context.beginPath();
    context.rect(x - gap, y - gap, dx + 2 * gap, dy + 2 * gap);
    stroke(context, unit, ratio);
  }

  function scaleBar(context, unit, ratio) {
    const goal = 0.2501 * columns * dx, decade = 10 ** Math.floor(Math.log10(goal));
    const length = [1, 2, 5].map((n) => n * decade).filter((n) => n <= goal).pop();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const bar = (length * unit) / ratio, height = canvas.height / ratio, text = `${+length.toPrecision(1)} ${map.unit}`;
    context.fillStyle = "rgba(0, 0, 0, 0.65)";
    context.fillRect(8, height - 38, Math.max(bar, 44) + 16, 30);
    context.fillStyle = "#fff";
    context.fillRect(16, height - 16, bar, 4);
    context.font = "600 13px system-ui, sans-serif";
    context.fillText(text, 16, height - 21);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const edge = canvas.clientLeft;
    return [
      inside((event.clientY - box.top - edge) / canvas.clientHeight, rows),
      inside((event.clientX - box.left - edge) / canvas.clientWidth, columns),
    ];
  }

  const where = (row, column) =>
    `x ${number(column * dx, 2)}\u00a0${map.unit}, y ${number(row * dy, 2)}\u00a0${map.unit} ` +
    `(row ${row}, column ${column})`;

  // ---- the chosen position ----
  const chosenCell = () => positions.cell[state.row * columns + state.column];

  /** What is looked at: a table, the row in it, and where its pattern is. */
  function chosen() {
    const cell = chosenCell(), at = state.row * columns + state.column;
    const pooled = state.level === "cells" && cell >= 0;
    const [table, index] = pooled ? [cells, cell] : [positions, at];
    let pattern = null, text = "";
    if (table.pattern) {
      pattern = table.pattern.of(index);
      text = pooled ? `mean pattern of the cell's ${cells.count[cell]} positions` : "pattern at this position";
    } else if (cells.pattern && cell >= 0) {
      pattern = cells.pattern.of(cell);
      text = "mean pattern of this position's cell: the page of a scan this large holds no others";
    }
    return { table, index, cell, pooled, pattern, text, whole: pooled || !table.pattern };
  }

  function members(bits) {
    const names = classes.filter((_, k) => bits & (1 << k)).map((entry) => entry.name);
    if (names.length === 1) return "the only class in its 90\u00a0% set";
    return names.length ? `90\u00a0% set {${names.join(", ")}}` : "90\u00a0% set empty: unlike the patterns that were trained on";
  }

  function element(name, text, parent, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  }

  function direction(entry) {
    return entry.direction === null ? "along the beam" : `${number(Math.round(entry.direction) % 360, 0)}°`;
  }

  function describe(view) {
    const { table, index, cell, pooled } = view, readout = find("readout");
    find("h-chosen").textContent = pooled ? "Chosen unit cell" : "Chosen position";
    readout.textContent = "";
    const best = table.class[index];
    const headline = element("p", "", readout, { class: "headline" });
    if (best < 0) {
      headline.textContent = "Nothing was measured here";
    } else {
      const entry = classes[best], share = percent(table.probability[index * classes.length + best]);
      const swatch = element("span", "", headline, { class: "swatch" });
      swatch.style.background = table.answered[index] ? entry.colour : "#dedede";
      headline.append(table.answered[index]
        ? `${entry.name}, ${direction(entry)}: ${share}` : `No answer (${entry.name}: ${share})`);
      if (!table.answered[index]) element("p", map.reasons[table.withheld[index]], readout);
      element("p", members(table.set[index]), readout);
    }
    element("p", where(state.row, state.column), readout);
    const flag = table.flagged[index] ? ", flagged" : "";
    if (best >= 0) element("p", `anomaly score ${number(table.anomaly[index], 2)}${flag}`, readout);
    const at = state.row * columns + state.column;
    element("p", cell < 0 ? "outside the whole unit cells" : pooled
      ? `unit cell in row ${cells.row[cell]}, column ${cells.column[cell]} of the lattice`
      : `at x ${number(positions.cell_x[at], 2)}, y ${number(positions.cell_y[at], 2)} of its unit cell, from the A column`,
      readout, { class: "soft" });
  }

  const svg = (name, attributes, parent, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    parent.append(made);
  };

  function drawWheel(view) {
    const wheel = find("wheel"), list = find("classes");
    wheel.textContent = list.textContent = "";
    const polar = (degrees, radius) => {
      const angle = (degrees * Math.PI) / 180;
      return `${(radius * Math.cos(angle)).toFixed(1)},${(-radius * Math.sin(angle)).toFixed(1)}`;
    };
    const step = 360 / map.wheel.length;
    map.wheel.forEach((colour, i) => {
      const [from, to] = [i * step, (i + 1) * step + 0.6];
      svg("path", { fill: colour, d: `M${polar(from, 100)} A100,100 0 0 0 ${polar(to, 100)} L${polar(to, 112)} A112,112 0 0 1 ${polar(from, 112)} Z` }, wheel);
    });
    svg("circle", { r: 50, fill: "none", stroke: "currentColor", "stroke-opacity": 0.25 }, wheel);
    svg("circle", { r: 100, fill: "none", stroke: "currentColor", "stroke-opacity": 0.5 }, wheel);
    const shares = classes.map((_, k) => view.table.probability[view.index * classes.length + k]);
    const best = view.table.class[view.index];
    classes.forEach((entry, k) => {
      const share = shares[k] / 255;
      if (entry.direction !== null) {
        const angle = entry.direction;
        svg("path", { fill: entry.colour, stroke: "currentColor", "stroke-width": 0.8,
          d: `M${polar(angle - 90, 5)} L${polar(angle, 0)} ${polar(angle + 90, 5)} ` +
            [[1, 1], [-1, -1]].map(([side]) => {
              const a = (angle * Math.PI) / 180, r = 100 * share;
              return `L${(r * Math.cos(a) - 5 * side * Math.sin(a)).toFixed(1)},${(-r * Math.sin(a) - 5 * side * Math.cos(a)).toFixed(1)}`;
            }).join(" ") + " Z" }, wheel);
        const [x, y] = polar(angle, 131).split(",");
        svg("text", { x, y, "font-weight": k === best ? 700 : 400 }, wheel, entry.name);
      }
      const row = element("tr", "", list, k === best ? { class: "best" } : {});
      const head = element("th", "", row, { scope: "row" });
      element("span", "", head, { class: "swatch" }).style.background = entry.colour;
      head.append(`${entry.name} ${direction(entry)}`);
      element("td", best < 0 ? "–" : percent(shares[k]), row, { class: "num" });
    });
    svg("circle", { r: 2.5, fill: "currentColor" }, wheel);
  }

  // ---- patterns ----
  function showPattern(target, pattern, brightest) {
    const side = Math.round(Math.sqrt(pattern.length)), context = target.getContext("2d");
    [target.width, target.height] = [side, side];
    const data = context.createImageData(side, side), floor = 1e-4;
    const scales = {
      linear: (v) => v, root: Math.sqrt,
      log: (v) => 1 - Math.log(Math.max(v, floor)) / Math.log(floor),
    };
    pattern.forEach((value, i) => {
      const level = Math.round(255 * Math.min(1, scales[state.scale](Math.max(0, value / (brightest || 1)))));
      data.data.set(patternColours.subarray(3 * level, 3 * level + 3), 4 * i);
      data.data[4 * i + 3] = 255;
    });
    context.putImageData(data, 0, 0);
  }

  /** Mean of patterns, and each less the mean with unit length; classes without any stay 0. */
  function prepare(patterns) {
    const usable = patterns.filter((p) => p.some((v) => v > 0));
    const mean = new Float32Array(usable.length ? usable[0].length : 0);
    if (usable.length > 1) for (const p of usable) p.forEach((v, i) => { mean[i] += v / usable.length; });
    return { patterns, mean, ready: patterns.map((p) => centred(p, mean)) };
  }

  function centred(pattern, mean) {
    const rest = pattern.map((v, i) => v - mean[i]);
    const length = Math.hypot(...rest);
    return pattern.some((v) => v > 0) && length > 0 ? rest.map((v) => v / length) : new Float32Array(rest.length);
  }

  let library = null;
  function prepareTemplates() {
    const [count, down, across] = templates.shape, places = down * across;
    const single = Array.from({ length: templates.count }, (_, i) => templates.of(i));
    const means = Array.from({ length: count }, (_, k) => {
      const mean = new Float32Array(templates.side ** 2);
      for (const p of single.slice(k * places, (k + 1) * places)) p.forEach((v, i) => { mean[i] += v / places; });
      return mean;
    });
    return { down, across, places, single: prepare(single), means: prepare(means) };
  }

  function showTemplate(view) {
    const target = find("template"), text = find("template-text");
    target.hidden = !(templates && view.pattern);
    text.textContent = "";
    if (target.hidden) return;
    library ??= prepareTemplates();
    const whole = view.whole || library.places === 1, set = whole ? library.means : library.single;
    const pattern = centred(view.pattern, set.mean);
    let best = -1, score = -Infinity;
    set.ready.forEach((template, i) => {
      const product = template.reduce((sum, v, k) => sum + v * pattern[k], 0);
      if (product > score && template.some((v) => v !== 0)) [best, score] = [i, product];
    });
    if (best < 0) return;
    const found = set.patterns[best], index = whole ? best : Math.floor(best / library.places);
    showPattern(target, found, Math.max(...found));
    let words = `best template: ${classes[index].name}, ${map.template_origin}`;
    if (!whole) {
      const at = best % library.places;
      words += `, x ${number((at % library.across) / library.across, 2)}, y ${number(Math.floor(at / library.across) / library.down, 2)} of the cell`;
    }
    text.textContent = `${words}; correlation ${number(score, 2)} after subtracting the mean of all`;
  }

  function showNeighbours(view) {
    const group = find("neighbours");
    group.textContent = "";
    find("h-neighbours").textContent = view.pooled ? "Neighbouring unit cells" : "Neighbouring positions";
    const cellAt = new Map();
    if (view.pooled) cells.row.forEach((row, i) => cellAt.set(`${row},${cells.column[i]}`, i));
    for (const down of [-1, 0, 1]) for (const across of [-1, 0, 1]) {
      const button = element("button", "", group, { type: "button" });
      let at = -1, goal = [state.row + down, state.column + across];
      if (view.pooled) {
        at = cellAt.get(`${cells.row[view.cell] + down},${cells.column[view.cell] + across}`) ?? -1;
        if (at >= 0) goal = middle(at);
      } else if (goal[0] >= 0 && goal[1] >= 0 && goal[0] < rows && goal[1] < columns) {
        at = goal[0] * columns + goal[1];
      }
      button.disabled = at < 0;
      if (at < 0) continue;
      const best = view.table.class[at], answered = view.table.answered[at];
      button.style.borderColor = best >= 0 && answered ? classes[best].colour : "#dedede";
      if (!down && !across) button.className = "here";
      const pattern = view.table.pattern && view.table.pattern.of(at);
      if (pattern) showPattern(element("canvas", "", button, { "aria-hidden": "true" }), pattern, Math.max(...pattern));
      element("span", best < 0 ? "–" : answered ? `${classes[best].name} ${percent(view.table.probability[at * classes.length + best])}` : "no answer", button);
      button.addEventListener("click", () => choose(...goal));
    }
  }

  /** The position next to the middle of a cell. */
  function middle(cell) {
    const near = (value, step, count) => Math.min(count - 1, Math.max(0, Math.round(value / step)));
    return [near(cells.y[cell], dy, rows), near(cells.x[cell], dx, columns)];
  }

  function showLegend() {
    const legend = find("legend");
    legend.textContent = "";
    if (state.layer === "direction") {
      classes.forEach((entry) => {
        const item = element("span", "", legend);
        element("span", "", item, { class: "swatch" }).style.background = entry.colour;
        item.append(`${entry.name} ${direction(entry)}`);
      });
      const item = element("span", "", legend);
      element("span", "", item, { class: "swatch" }).style.background = "#dedede";
      item.append("nothing measured; pale: unsure, palest: no answer");
      return;
    }
    const layer = layers[state.layer], bar = document.createElement("canvas");
    [bar.width, bar.height] = [256, 1];
    const context = bar.getContext("2d"), data = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      data.data.set(layer.colours.subarray(3 * i, 3 * i + 3), 4 * i);
      data.data[4 * i + 3] = 255;
    }
    context.putImageData(data, 0, 0);
    const names = { confidence: "confidence", anomaly: "anomaly score", dark_field: "dark field, fraction of the beam" };
    element("span", number(layer.low, 2), legend);
    legend.append(bar);
    element("span", number(layer.high, 2), legend);
    element("span", names[state.layer] + (state.layer === "anomaly" && map.threshold !== null
      ? `; flagged above ${number(map.threshold, 2)}` : ""), legend);
  }

  function inspect() {
    const view = chosen();
    describe(view);
    drawWheel(view);
    const target = find("pattern");
    target.hidden = !view.pattern;
    if (view.pattern) showPattern(target, view.pattern, Math.max(...view.pattern));
    find("pattern-text").textContent = view.pattern ? view.text : "The map holds no pattern of this position.";
    showTemplate(view);
    showNeighbours(view);
  }

  function choose(row, column) {
    state.row = Math.min(rows - 1, Math.max(0, row));
    state.column = Math.min(columns - 1, Math.max(0, column));
    inspect();
    draw();
  }

  function repaint() {
    paint();
    showLegend();
    draw();
    inspect();
  }

  canvas.addEventListener("click", (event) => choose(...place(event)));
  canvas.addEventListener("pointermove", (event) => { find("hover").textContent = where(...place(event)); });
  canvas.addEventListener("pointerleave", () => { find("hover").textContent = "\u00a0"; });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const far = event.shiftKey || state.level === "cells";
    const [down, across] = far ? [Math.max(1, Math.round(cells.side / dy)), Math.max(1, Math.round(cells.side / dx))] : [1, 1];
    choose(state.row + move[0] * down, state.column + move[1] * across);
  });
  for (const input of document.querySelectorAll("input[type=radio]")) {
    input.addEventListener("change", () => { state[input.name] = input.value; repaint(); });
  }
  for (const name of ["arrows", "flagged"]) {
    find(name).addEventListener("change", (event) => { state[name] = event.target.checked; draw(); });
  }
  find("scale").addEventListener("change", (event) => { state.scale = event.target.value; inspect(); });
  if (map.mrad) {
    find("frame").textContent = `Patterns are ${number(map.mrad, 0)}\u00a0mrad wide, turned so that the crystal's x axis points to the right.`;
  }
  new ResizeObserver(draw).observe(canvas.parentElement);
  repaint();
})();
