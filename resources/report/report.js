// Tables that sort, search, filter and download; sections that open for a link; files of figures.
"use strict";

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const words = (name) => name.replaceAll("_", " ").replace(/\bf1\b/, "F1")
  .replace(/\b(ece|nll)\b/, (short) => short.toUpperCase()).replace("at 80", "at 80 %");
const key = (cell) => cell.dataset.sort ?? cell.textContent.trim();
const save = (name, text) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

// All scores: data in the page, a table once it is looked at.
const SHOWN_ROWS = 50;
function buildScores(table) {
  const { metrics, rows } = JSON.parse(document.getElementById("score-data").textContent);
  const show = (value, unit) => (unit === "fraction" ? (100 * value).toFixed(1) + "\u00a0%"
    : unit === "deg" ? value.toFixed(1) + "°" : value.toFixed(2)).replace("-", "\u2212");
  const head = make("tr");
  for (const name of ["model", "trained on", "tested on"])
    head.append(make("th", { scope: "col", "data-filter": "" }, name));
  head.append(make("th", { scope: "col", class: "num" }, "n"));
  for (const [name, [, meaning]] of Object.entries(metrics))
    head.append(make("th", { scope: "col", class: "num", title: meaning, "data-range": "" }, words(name)));
  const units = Object.values(metrics).map(([unit]) => unit);
  const body = make("tbody");
  for (const [model, source, domain, n, ...scores] of rows) {
    const row = make("tr", {}, make("th", { scope: "row" }, model), make("td", {}, source),
      make("td", {}, domain), make("td", { class: "num" }, String(n)));
    scores.forEach((score, i) => {
      const cell = make("td", { class: "num", "data-sort": score ? score[0] : "" }, score ? show(score[0], units[i]) : "–");
      if (score && score[1] !== null) {
        [cell.dataset.low, cell.dataset.high] = [score[1], score[2]];
        cell.append(make("span", { class: "range" }, `${show(score[1], units[i])} – ${show(score[2], units[i])}`));
      }
      row.append(cell);
    });
    body.append(row);
  }
  table.append(make("thead", {}, head), body);
}

function enhance(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const all = [...body.rows];
  const most = all.length > 2 * SHOWN_ROWS ? SHOWN_ROWS : Infinity;
  let limit = most;
  const search = make("input", { type: "search", placeholder: "Search", "aria-label": "Search the table" });
  const count = make("span", { class: "count", role: "status" });
  const more = make("button", { type: "button" }, "Show all rows");
  const download = make("button", { type: "button", class: "csv" }, "Download CSV");
  const filters = heads.map((head, column) => head.hasAttribute("data-filter") && { column, head });
  const selects = filters.filter(Boolean).map(({ column, head }) => {
    const name = head.textContent.trim();
    const select = make("select", { "aria-label": `Only ${name}`, "data-column": name }, make("option", { value: "" }, `${name}: all`));
    for (const value of [...new Set(all.map((row) => row.cells[column].textContent.trim()))].sort())
      select.append(make("option", { value }, value));
    return { select, column };
  });
  const found = () => {
    const parts = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return [...body.rows].filter((row) => {
      const text = row.textContent.toLowerCase();
      return parts.every((part) => text.includes(part))
        && selects.every(({ select, column }) => !select.value || row.cells[column].textContent.trim() === select.value);
    });
  };
  const refresh = () => {
    const kept = new Set(found());
    let shown = 0;
    for (const row of body.rows) row.hidden = !kept.has(row) || ++shown > limit;
    count.textContent = `${Math.min(limit, kept.size)} of ${all.length} rows` + (kept.size > limit ? `, ${kept.size} found` : "");
    more.hidden = kept.size <= limit;
  };
  const narrow = () => { limit = most; refresh(); };
  search.addEventListener("input", narrow);
  selects.forEach(({ select }) => select.addEventListener("change", narrow));
  more.addEventListener("click", () => { limit = Infinity; refresh(); });
  download.addEventListener("click", () => {
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = [heads.flatMap((head) => {
      const name = head.textContent.trim();
      return head.hasAttribute("data-range") ? [name, `${name} low`, `${name} high`] : [name];
    })];
    for (const row of found()) lines.push([...row.cells].flatMap((cell, i) =>
      heads[i].hasAttribute("data-range") ? [key(cell), cell.dataset.low ?? "", cell.dataset.high ?? ""] : [key(cell)]));
    save(`${table.dataset.name}.csv`, lines.map((line) => line.map(quote).join(",")).join("\n") + "\n");
  });
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      const rows = [...body.rows].sort((first, second) => {
        const [x, y] = [key(first.cells[column]), key(second.cells[column])];
        if (x === "" || y === "") return (x === "") - (y === "");  // what has no number comes last
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return up ? order : -order;
      });
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows);
      refresh();
    });
  });
  const tools = make("div", { class: "tools" });
  if (all.length > 8) tools.append(search, ...selects.map(({ select }) => select), count, more);
  tools.append(download);
  table.parentElement.before(tools);
  refresh();
  return { search, selects, narrow };
}

const tables = new Map();
const ready = (table) => {
  if (tables.has(table)) return tables.get(table);
  if (table.id === "all-scores") buildScores(table);
  tables.set(table, enhance(table));
  return tables.get(table);
};
for (const section of document.querySelectorAll("details")) {
  const prepare = () => section.open && section.querySelectorAll("table.data").forEach(ready);
  section.addEventListener("toggle", prepare);
}
document.querySelectorAll("table.data").forEach((table) => table.closest("details") || ready(table));

// "#scores?tested on=emulated" opens the section and sets the filter.
function follow() {
  const [id, query] = decodeURIComponent(location.hash.slice(1)).split("?");
  const target = id && document.getElementById(id);
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  const table = query !== undefined && target.querySelector("table.data");
  if (table) {
    const { search, selects, narrow } = ready(table);
    const wanted = new URLSearchParams(query);
    search.value = wanted.get("search") ?? "";
    selects.forEach(({ select }) => { select.value = wanted.get(select.dataset.column) ?? ""; });
    narrow();
  }
  target.scrollIntoView();
}
addEventListener("hashchange", follow);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && link.hash === location.hash) follow();  // the same link again
});
follow();

const unfold = document.getElementById("unfold");
const setAll = (open) => document.querySelectorAll("details.evidence").forEach((part) => { part.open = open; });
unfold.addEventListener("click", () => {
  const open = unfold.getAttribute("aria-expanded") !== "true";
  unfold.setAttribute("aria-expanded", open);
  unfold.textContent = open ? "Close all sections" : "Open all sections";
  setAll(open);
});
addEventListener("beforeprint", () => setAll(true));

// The shown file of a figure is in the page once.
for (const link of document.querySelectorAll("a[data-shown]"))
  link.href = link.closest("figure").querySelector("img").src;
