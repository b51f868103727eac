(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const { cells, side, full } = page, count = cells.x.length;
  const find = (id) => document.getElementById(id);
  const state = { layer: "displacement", arrows: true, ellipses: false, chosen: Math.floor(count / 2), line: null };
  const minus = (text) => text.replace("-", "\u2212");
  const number = (value, digits = 1) => minus(value.toFixed(digits));
  const told = (i) => cells.reason[i] === 0;
  const length = (i) => Math.hypot(cells.ux[i], cells.uy[i]);

  function svg(name, attributes, parent, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  // ---- the map: 40 units for each cell ----
  const unit = 40 / side, map = find("map"), edge = 0.7 * side;
  const least = (values) => values.reduce((low, v) => Math.min(low, v), Infinity);
  const most = (values) => values.reduce((high, v) => Math.max(high, v), -Infinity);
  const [left, top] = [least(cells.x) - edge, least(cells.y) - edge];
  const [width, height] = [most(cells.x) - left + edge, most(cells.y) - top + edge];
  const place = (x, y) => [(x - left) * unit, (y - top) * unit];
  map.setAttribute("viewBox", `0 0 ${width * unit} ${height * unit + 34}`);
  const perPm = 34 / full;

  const [a, b] = page.lattice.map(([x, y]) => [(x * unit) / 2, (y * unit) / 2]);
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([i, j]) => [i * a[0] + j * b[0], i * a[1] + j * b[1]]);
  const outline = (i) => {
    const [x, y] = place(cells.x[i], cells.y[i]);
    return corners.map(([right, down]) => `${(x + right).toFixed(2)},${(y + down).toFixed(2)}`).join(" ");
  };

  /** Colours of the direction mixed with white: as strong as the displacement is long. */
  function tint(hex, share) {
    const part = Math.min(1, share);
    const mixed = [1, 3, 5].map((at) => Math.round(255 - part * (255 - parseInt(hex.slice(at, at + 2), 16))));
    return `rgb(${mixed.join(",")})`;
  }

  const sigma = cells.sigma_x.map((v, i) => (v === null ? null : Math.sqrt((v ** 2 + cells.sigma_y[i] ** 2) / 2)));
  const layers = {
    sigma: { values: sigma, low: 0, text: "standard deviation of a component [pm]" },
    p_polar: { values: cells.p_polar, low: 0, high: 1, text: "probability to be polar" },
    misfit: { values: cells.misfit, low: 0, text: "misfit over the median of all cells" },
  };
  for (const layer of Object.values(layers)) {
    const known = layer.values.filter((v) => v !== null);
    layer.high ??= known.length ? most(known) : 1;
  }

  function fill(i) {
    if (state.layer === "displacement") return told(i) ? tint(cells.colour[i], length(i) / full) : "#eee";
    const layer = layers[state.layer], value = layer.values[i];
    if (value === null) return "#eee";
    const at = (value - layer.low) / (layer.high - layer.low || 1);
    return page.levels[Math.round(Math.min(1, Math.max(0, at)) * (page.levels.length - 1))];
  }

  /** Points of the ellipse that holds 68 %, around a point; `scale` units for a picometre. */
  function ellipse(i, x, y, scale) {
    const far = scale * Math.sqrt(-2 * Math.log(0.32)), rest = Math.sqrt(Math.max(0, 1 - cells.correlation[i] ** 2));
    return Array.from({ length: 37 }, (_, k) => {
      const angle = (2 * Math.PI * k) / 36, c = Math.cos(angle), s = Math.sin(angle);
      const right = cells.sigma_x[i] * c, up = cells.sigma_y[i] * (cells.correlation[i] * c + rest * s);
      return `${(x + far * right).toFixed(2)},${(y - far * up).toFixed(2)}`;
    }).join(" ");
  }

  function arrow(x, y, right, up, parent, colour) {
    const long = Math.hypot(right, up);
    if (long < 1e-9) return;
    const [c, s] = [right / long, -up / long], head = Math.min(11, 0.6 * long), half = long / 2;
    const points = [[-half, -1.6], [half - head, -1.6], [half - head, -0.45 * head], [half, 0],
      [half - head, 0.45 * head], [half - head, 1.6], [-half, 1.6]];
    svg("polygon", { class: "arrow", fill: colour, stroke: "#fff", "stroke-width": 0.7,
      points: points.map(([a, b]) => `${(x + c * a - s * b).toFixed(2)},${(y + s * a + c * b).toFixed(2)}`).join(" ") }, parent);
  }

  function drawMap() {
    map.textContent = "";
    for (let i = 0; i < count; i++) {
      const colour = fill(i);
      svg("polygon", { class: "cell", points: outline(i), fill: colour, stroke: colour, "stroke-width": 0.6 }, map);
    }
    for (let i = 0; i < count; i++) {
      const [x, y] = place(cells.x[i], cells.y[i]);
      if (!told(i)) {
        svg("path", { d: `M${x - 5},${y - 5} l10,10 m0,-10 l-10,10`, stroke: "#808080", fill: "none" }, map);
        continue;
      }
      const [right, up] = [perPm * cells.ux[i], perPm * cells.uy[i]];
      if (state.arrows) arrow(x, y, right, up, map, "#1c2126");
      if (state.ellipses) {
        svg("polygon", { class: "ellipse", points: ellipse(i, x + right / 2, y - up / 2, perPm),
          fill: "#fff", "fill-opacity": 0.45, stroke: "#000", "stroke-width": 1.1 }, map);
      }
    }
    for (const [colour, wide] of [["#fff", 5], ["#000", 2.4]]) {
      svg("polygon", { points: outline(state.chosen), fill: "none", stroke: colour, "stroke-width": wide }, map);
    }
    if (state.line) {
      const [from, to] = state.line.map((end) => place(...end));
      for (const [colour, wide] of [["#fff", 6], ["#b00020", 3]]) {
        svg("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], stroke: colour, "stroke-width": wide, "stroke-linecap": "round" }, map);
      }
      svg("circle", { cx: from[0], cy: from[1], r: 5, fill: "#b00020", stroke: "#fff" }, map);
    }
    // below the cells: a bar in nm and the key of the arrows in pm
    const goal = 0.3 * width, decade = 10 ** Math.floor(Math.log10(goal));
    const bar = [1, 2, 5].map((n) => n * decade).filter((n) => n <= goal).pop();
    const below = height * unit + 14;
    svg("rect", { x: 10, y: below, width: bar * unit, height: 5, fill: "#1c2126" }, map);
    svg("text", { x: 16 + bar * unit, y: below + 8, "font-size": 17 }, map, `${+bar.toPrecision(1)} nm`);
    const right = width * unit - 10;
    svg("text", { id: "key", x: right, y: below + 8, "font-size": 17, "text-anchor": "end" }, map, `${number(full)} pm`);
    arrow(right - 100, below + 2, 34, 0, map, "#1c2126");
  }

  function drawLegend() {
    const legend = find("legend");
    legend.textContent = "";
    const words = document.createElement("span");
    if (state.layer === "displacement") {
      const wheel = svg("svg", { viewBox: "-60 -60 120 120", role: "img", "aria-label": "Colours of directions" }, legend);
      const point = (degrees, r) => `${(r * Math.cos((degrees * Math.PI) / 180)).toFixed(1)},${(-r * Math.sin((degrees * Math.PI) / 180)).toFixed(1)}`;
      const step = 360 / page.wheel.length;
      for (const ring of [5, 4, 3, 2, 1]) page.wheel.forEach((colour, k) => {
        svg("path", { fill: tint(colour, ring / 5), d: `M0,0 L${point(k * step, 11 * ring)} A${11 * ring},${11 * ring} 0 0 0 ${point((k + 1) * step + 0.5, 11 * ring)} Z` }, wheel);
      });
      words.textContent = `Colour: direction as on the wheel, stronger the longer, full at ${number(full)} pm.`;
    } else {
      const layer = layers[state.layer], bar = svg("svg", { viewBox: "0 0 64 6", preserveAspectRatio: "none", style: "width:11rem;height:.8rem" }, legend);
      page.levels.forEach((colour, k) => svg("rect", { x: k, y: 0, width: 1.05, height: 6, fill: colour }, bar));
      bar.before(number(layer.low, 1));
      words.textContent = `${number(layer.high, layer.high < 10 ? 2 : 1)} ${layer.text}`;
    }
    legend.append(words);
  }

  // ---- one cell, and all of them ----
  function describe() {
    const i = state.chosen, readout = find("readout");
    readout.textContent = "";
    const line = (text, name = "") => {
      const made = document.createElement("p");
      made.className = name;
      made.textContent = text;
      readout.append(made);
    };
    if (told(i)) {
      const angle = (Math.atan2(cells.uy[i], cells.ux[i]) * 180) / Math.PI;
      line(`${number(length(i))} pm along ${number((angle + 360) % 360, 0)}°`, "headline");
      line(`to the right ${number(cells.ux[i], 2)} ± ${number(cells.sigma_x[i], 2)} pm, up ${number(cells.uy[i], 2)} ± ${number(cells.sigma_y[i], 2)} pm, correlation ${number(cells.correlation[i], 2)}`);
      line(`polar with ${Math.round(100 * cells.p_polar[i])} %; ${number(cells.polarization[i], 0)} µC/cm² by Born charges; misfit ${number(cells.misfit[i], 2)}`);
    } else {
      line("No displacement", "headline");
      line(page.reasons[cells.reason[i]]);
    }
    line(`row ${cells.row[i]}, column ${cells.column[i]} of the lattice; x ${number(cells.x[i], 2)} nm, y ${number(cells.y[i], 2)} nm`, "soft");
  }

  function drawPlane() {
    const plane = find("plane"), reach = 1.15 * most([full, ...cells.x.map((_, i) => (told(i) ? length(i) : 0))]);
    const scale = 100 / reach;
    plane.textContent = "";
    plane.setAttribute("viewBox", "-112 -112 224 236");
    svg("path", { d: "M-104,0 H104 M0,-104 V104", stroke: "#bbb" }, plane);
    svg("circle", { r: full * scale, fill: "none", stroke: "#808080" }, plane);
    for (let i = 0; i < count; i++) {
      if (told(i)) svg("circle", { cx: scale * cells.ux[i], cy: -scale * cells.uy[i], r: 2.4, fill: cells.colour[i], stroke: "#1c2126", "stroke-width": 0.3 }, plane);
    }
    const i = state.chosen;
    if (told(i)) svg("polygon", { points: ellipse(i, scale * cells.ux[i], -scale * cells.uy[i], scale), fill: "none", stroke: "#000", "stroke-width": 1.4 }, plane);
    svg("text", { x: 104, y: -5, "font-size": 11, "text-anchor": "end" }, plane, "right");
    svg("text", { x: 5, y: -98, "font-size": 11 }, plane, "up");
    const bar = [1, 2, 5, 10, 20].filter((n) => n * scale <= 60).pop() ?? 1;
    svg("path", { d: `M-104,112 h${bar * scale}`, stroke: "#1c2126", "stroke-width": 2 }, plane);
    svg("text", { x: -98 + bar * scale, y: 116, "font-size": 11 }, plane, `${bar} pm`);
  }

  function drawRose() {
    const rose = find("rose"), bins = new Array(24).fill(0), step = 15;
    const polar = cells.x.map((_, i) => i).filter((i) => told(i) && cells.p_polar[i] > 0.5);
    for (const i of polar) {
      const angle = (Math.atan2(cells.uy[i], cells.ux[i]) * 180) / Math.PI + 360 + step / 2;
      bins[Math.floor(angle / step) % 24] += 1;
    }
    rose.textContent = "";
    rose.setAttribute("viewBox", "-112 -112 224 236");
    const high = Math.max(1, most(bins));
    svg("circle", { r: 92, fill: "none", stroke: "#ccc" }, rose);
    bins.forEach((size, k) => {
      if (!size) return;
      const r = 92 * Math.sqrt(size / high); // areas are counts
      const [a, b] = [k * step - step / 2, k * step + step / 2].map((d) => (d * Math.PI) / 180);
      svg("path", { fill: page.wheel[Math.floor((k * step) / 10) % page.wheel.length], stroke: "#1c2126", "stroke-width": 0.5,
        d: `M0,0 L${r * Math.cos(a)},${-r * Math.sin(a)} A${r},${r} 0 0 0 ${r * Math.cos(b)},${-r * Math.sin(b)} Z` }, rose);
    });
    [[0, 105, 4], [90, 0, -98], [180, -105, 4], [270, 0, 106]].forEach(([degrees, x, y]) => {
      svg("text", { x, y, "font-size": 11, "text-anchor": degrees % 180 ? "middle" : degrees ? "start" : "end" }, rose, `${degrees}°`);
    });
    find("rose-text").textContent = `Directions of the ${polar.length} cells that are polar with more than 50 %, in steps of 15°; areas are counts, the largest ${most(bins)}.`;
  }

  function choose(i) {
    state.chosen = i;
    drawMap();
    describe();
    drawPlane();
  }

  // ---- a wall ----
  function measure(line) {
    state.line = line;
    ["x0", "y0", "x1", "y1"].forEach((name, k) => { find(name).value = +line[Math.floor(k / 2)][k % 2].toFixed(3); });
    const wall = fitWall(cells, ...line);
    find("wall-text").textContent = wall.problem ?? wall.sentence;
    find("wall-figure").hidden = Boolean(wall.problem);
    if (!wall.problem) drawWall(wall, line);
    drawMap();
  }

  function drawWall(wall, line) {
    const plot = find("wall"), wide = 600, tall = 300, low = least(wall.distance), high = most(wall.distance);
    const reach = 1.12 * most([wall.jump / 2, ...wall.component.map(Math.abs)]);
    const x = (s) => 60 + ((s - low) / (high - low || 1)) * (wide - 80), y = (v) => tall / 2 - 15 - (v / reach) * (tall / 2 - 30);
    plot.textContent = "";
    plot.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    const band = (from, to, colour) => {
      const [a, b] = [from, to].map((s) => x(Math.min(high, Math.max(low, s))));
      svg("rect", { x: a, y: 10, width: Math.max(0.5, b - a), height: tall - 50, fill: colour }, plot);
    };
    band(wall.position[0] - wall.width[0] / 2, wall.position[0] + wall.width[0] / 2, "#eee");
    band(wall.position[1], wall.position[2], "#bbb");
    svg("path", { d: `M60,10 V${tall - 40} H${wide - 20}`, fill: "none", stroke: "#1c2126" }, plot);
    const spaced = (span) => { const d = 10 ** Math.floor(Math.log10(span / 3)); return [5, 2, 1].map((n) => n * d).find((n) => n <= span / 3) ?? d; };
    for (let step = spaced(high - low || 1), s = Math.ceil(low / step) * step; s <= high + 1e-9; s += step) {
      svg("text", { x: x(s), y: tall - 22, "font-size": 13, "text-anchor": "middle" }, plot, minus(String(+s.toFixed(3))));
    }
    for (let step = spaced(2 * reach), v = -Math.floor(reach / step) * step; v <= reach; v += step) {
      svg("text", { x: 52, y: y(v) + 4, "font-size": 13, "text-anchor": "end" }, plot, minus(String(+v.toFixed(3))));
    }
    svg("text", { x: wide / 2 + 20, y: tall - 4, "font-size": 13, "text-anchor": "middle" }, plot, "along the line [nm]");
    svg("text", { x: 14, y: tall / 2, "font-size": 13, "text-anchor": "middle", transform: `rotate(-90 14 ${tall / 2})` }, plot, "displacement [pm]");
    wall.distance.forEach((s, i) => svg("circle", { cx: x(s), cy: y(wall.component[i]), r: 3, fill: "#0072B2", "fill-opacity": 0.7 }, plot));
    const curve = Array.from({ length: 201 }, (_, k) => low + ((high - low) * k) / 200);
    svg("path", { fill: "none", stroke: "#000", "stroke-width": 2, d: `M${curve.map((s) => `${x(s).toFixed(1)},${y(wall.curve(s)).toFixed(1)}`).join(" L")}` }, plot);
    find("command").textContent = `The same from the command line: --line ${line.flat().map((v) => +v.toFixed(3)).join(" ")}; cells scatter by ${number(wall.scatter)} pm about the curve.`;
  }

  // ---- mouse and keys ----
  function at(event) {
    const box = map.getBoundingClientRect(), scale = (width * unit) / box.width;
    return [left + ((event.clientX - box.left) * scale) / unit, top + ((event.clientY - box.top) * scale) / unit];
  }
  const nearest = ([x, y]) => cells.x.reduce((best, _, i) => (
    Math.hypot(cells.x[i] - x, cells.y[i] - y) < Math.hypot(cells.x[best] - x, cells.y[best] - y) ? i : best), 0);
  let start = null;
  const dragged = (end) => start && Math.hypot(end[0] - start[0], end[1] - start[1]) > side;
  map.addEventListener("pointerdown", (event) => { start = at(event); map.setPointerCapture(event.pointerId); });
  map.addEventListener("pointermove", (event) => {
    if (!dragged(at(event))) return;
    state.line = [start, at(event)];
    drawMap();
  });
  map.addEventListener("pointerup", (event) => {
    const end = at(event);
    if (dragged(end)) measure([start, end]);
    else if (start) choose(nearest(end));
    start = null;
  });
  map.addEventListener("pointercancel", () => { start = null; });
  map.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!move) return;
    event.preventDefault();
    choose(nearest([cells.x[state.chosen] + move[0] * side, cells.y[state.chosen] + move[1] * side]));
  });
  find("line").addEventListener("submit", (event) => {
    event.preventDefault();
    const [x0, y0, x1, y1] = ["x0", "y0", "x1", "y1"].map((name) => find(name).valueAsNumber);
    if ([x0, y0, x1, y1].some(Number.isNaN)) find("wall-text").textContent = "Give all four numbers.";
    else measure([[x0, y0], [x1, y1]]);
  });
  for (const input of document.querySelectorAll("input[type=radio]")) {
    input.addEventListener("change", () => { state.layer = input.value; drawMap(); drawLegend(); });
  }
  for (const name of ["arrows", "ellipses"]) {
    find(name).addEventListener("change", (event) => { state[name] = event.target.checked; drawMap(); });
  }
  drawLegend();
  drawRose();
  choose(state.chosen);
})();
