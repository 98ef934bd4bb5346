// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// Without this script the page holds the same tables, curves and facts; it adds sorting, filters and what follows the pointer.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// MARK: Sorting

const number = (text) => {
  const match = text.trim().replace("−", "-").match(/^-?[0-9.]+(e[-+]?[0-9]+)?/i);
  return match ? Number(match[0]) : NaN;
};

function sort(table, column, descending) {
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.cells[column].textContent]));
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => {
    const [s, t] = [texts.get(a), texts.get(b)], [x, y] = [number(s), number(t)];
    if (isNaN(x) !== isNaN(y)) return isNaN(x) - isNaN(y); // what begins with no number stands last, either way
    return sign * ((isNaN(x) ? 0 : x - y) || s.localeCompare(t, "en", { numeric: true }));
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, column, descending);
    });
  });
}

// MARK: Filters. What is chosen stands in the address, so that it outlives a refresh and can be passed on.

const chosen = new URLSearchParams(location.hash.slice(1));

for (const table of document.querySelectorAll("table[data-filters]")) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  const columns = table.dataset.filters.split(",").map((name) => [name, heads.indexOf(name)]).filter(([, index]) => index >= 0);
  const controls = make("div", { class: "controls" });
  const count = make("output", { "aria-live": "polite" });
  const selects = columns.map(([name, index]) => {
    const values = [...new Set(rows.map((row) => row.cells[index].textContent))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const select = make("select", {}, make("option", { value: "" }, "all"), ...values.map((value) => make("option", { value }, value)));
    if (values.includes(chosen.get(name))) select.value = chosen.get(name);
    select.addEventListener("change", () => {
      if (select.value) chosen.set(name, select.value);
      else chosen.delete(name);
      history.replaceState(null, "", chosen.size ? "#" + chosen : location.pathname + location.search);
      filter();
    });
    controls.append(make("label", {}, name, select));
    return [select, index];
  });
  function filter() {
    for (const row of rows) row.hidden = !selects.every(([select, index]) => !select.value || row.cells[index].textContent === select.value);
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  }
  table.closest(".scroll").before(controls, count);
  filter();
}

// MARK: Curves

for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const svg = figure.querySelector("svg");
  const chart = JSON.parse(figure.querySelector("script").textContent);
  const curves = [...figure.querySelectorAll("svg .series")];
  const items = [...figure.querySelectorAll(".legend li")];
  const [left, right, top, bottom] = chart.frame;
  const [first, last] = chart.x;
  const x = (epoch) => left + ((epoch - first) / Math.max(last - first, 1)) * (right - left);
  const y = (value) => bottom - ((value - chart.y[0]) / (chart.y[1] - chart.y[0])) * (bottom - top);
  const rule = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
  const readout = make("output", { "aria-live": "polite" });
  const smooth = make("input", { type: "checkbox" });
  let epoch = null;

  rule.setAttribute("class", "rule");
  rule.setAttribute("y1", top);
  rule.setAttribute("y2", bottom);
  rule.style.visibility = "hidden";
  svg.after(readout);
  svg.setAttribute("tabindex", "0");
  figure.append(make("div", { class: "controls" }, make("label", { class: "check" }, smooth, "smoothed: mean over five epochs")));

  const isShown = (index) => items[index].firstElementChild.getAttribute("aria-pressed") !== "false";
  items.forEach((item, index) => {
    const button = make("button", { type: "button", "aria-pressed": "true" }, ...item.childNodes);
    item.replaceChildren(button);
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isShown(index)));
      curves[index].style.display = isShown(index) ? "" : "none";
      show(epoch);
    });
  });

  function show(wanted) {
    epoch = wanted === null ? null : Math.min(Math.max(wanted, first), last);
    rule.style.visibility = epoch === null ? "hidden" : "visible";
    readout.textContent = "";
    if (epoch === null) return;
    rule.setAttribute("x1", x(epoch));
    rule.setAttribute("x2", x(epoch));
    const values = chart.series.flatMap((series, index) => {
      const point = series.points.find((each) => each[0] === epoch);
      return point && isShown(index) ? [`${series.label}: ${point[1]}`] : [];
    });
    readout.textContent = `epoch ${epoch} · ` + (values.join(" · ") || "no curve");
  }
  svg.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    show(Math.round(first + ((place.x - left) / (right - left)) * (last - first)));
  });
  svg.addEventListener("pointerleave", () => show(null));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show((epoch ?? first - step) + step);
  });

  smooth.addEventListener("change", () => {
    chart.series.forEach((series, index) => {
      const points = series.points.map(([at, value], place) => {
        if (!smooth.checked) return [at, value];
        const near = series.points.slice(Math.max(0, place - 2), place + 3).map((each) => each[1]);
        return [at, near.reduce((a, b) => a + b) / near.length];
      });
      curves[index].querySelector(".curve").setAttribute("points", points.map(([at, value]) => `${x(at)},${y(value)}`).join(" "));
    });
  });
}

// MARK: While a run is on

const refresh = Number(document.body.dataset.refresh);
if (refresh) setInterval(() => document.hidden || location.reload(), 1000 * refresh);
