"use strict";
const svg = document.getElementById("graph");
const nodes = Array.from(svg.querySelectorAll(".node"));
const edges = Array.from(svg.querySelectorAll(".edge"));
const search = document.getElementById("search");
const whole = svg.getAttribute("viewBox").split(" ").map(Number);
let view = whole.slice();
let kept = null; // a set of node numbers that stays chosen
let drag = null;

const number = (node) => Number(node.dataset.node);
const ends = (edge) => [Number(edge.dataset.from), Number(edge.dataset.to)];
const show = () => svg.setAttribute("viewBox", view.join(" "));
const wholeView = () => { view = whole.slice(); show(); };

// Pixels of the screen for one of the drawing, and where the drawing begins on the screen.
function frame() {
  const box = svg.getBoundingClientRect();
  const scale = Math.min(box.width / view[2], box.height / view[3]);
  return { scale, left: box.left + (box.width - view[2] * scale) / 2, top: box.top + (box.height - view[3] * scale) / 2 };
}

svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { scale, left, top } = frame();
  const x = view[0] + (event.clientX - left) / scale;
  const y = view[1] + (event.clientY - top) / scale;
  const wanted = view[2] * Math.pow(1.0015, event.deltaY);
  const by = Math.min(Math.max(wanted, 50), whole[2] * 4) / view[2];
  view = [x - (x - view[0]) * by, y - (y - view[1]) * by, view[2] * by, view[3] * by];
  show();
}, { passive: false });

svg.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, y: event.clientY, view: view.slice(), moved: false };
});
window.addEventListener("pointermove", (event) => {
  if (drag === null) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  drag.moved = drag.moved || Math.abs(dx) + Math.abs(dy) > 4;
  if (!drag.moved) return;
  const { scale } = frame();
  view = [drag.view[0] - dx / scale, drag.view[1] - dy / scale, drag.view[2], drag.view[3]];
  show();
});
window.addEventListener("pointerup", (event) => {
  const clicked = drag !== null && !drag.moved;
  drag = null;
  if (!clicked) return;
  const node = event.target.closest(".node");
  kept = node === null ? null : new Set([number(node)]);
  light(kept);
});

// Shows the chosen nodes with their neighbours, all else faint; of several nodes only what is between them.
function light(chosen) {
  svg.classList.toggle("choosing", chosen !== null);
  const near = new Set(chosen || []);
  const single = chosen !== null && chosen.size === 1;
  for (const edge of edges) {
    const [from, to] = ends(edge);
    const is = chosen !== null && (single ? chosen.has(from) || chosen.has(to) : chosen.has(from) && chosen.has(to));
    edge.classList.toggle("near", is);
    if (is) { near.add(from); near.add(to); }
  }
  for (const node of nodes) {
    node.classList.toggle("near", near.has(number(node)));
    node.classList.toggle("chosen", chosen !== null && chosen.has(number(node)));
  }
  tell(single ? chosen.values().next().value : null);
}

function tell(which) {
  const place = document.getElementById("chosen");
  place.textContent = "";
  if (which === null) return;
  const name = (at) => nodes[at].dataset.name;
  const lines = [nodes[which].dataset.kind + " " + name(which)];
  const words = nodes[which].querySelector(".words");
  if (words !== null) lines.push(words.textContent);
  for (const edge of edges) {
    const [from, to] = ends(edge);
    if (from === which || to === which) lines.push(name(from) + " \u2014 " + edge.dataset.words + " \u2192 " + name(to));
  }
  place.textContent = lines.join("\n");
}

for (const node of nodes) {
  node.addEventListener("pointerenter", () => { if (kept === null && drag === null) light(new Set([number(node)])); });
  node.addEventListener("pointerleave", () => { if (kept === null && drag === null) find(); });
}
for (const button of document.querySelectorAll("#cycles button")) {
  button.addEventListener("click", () => {
    kept = new Set(button.dataset.nodes.split(" ").map(Number));
    light(kept);
  });
}

// Lights what the field of the search finds, or all.
function find() {
  const text = search.value.trim().toLowerCase();
  if (text === "") return light(kept);
  light(new Set(nodes.filter((node) => node.dataset.name.toLowerCase().includes(text)).map(number)));
}
search.addEventListener("input", () => { kept = null; find(); });

// Leaves out what is not ticked, and edges of nodes that are left out.
function filter() {
  const ticked = (id) => new Set(Array.from(document.querySelectorAll(id + " input:checked"), (input) => input.value));
  const [kinds, relations] = [ticked("#kinds"), ticked("#edges")];
  for (const node of nodes) node.classList.toggle("hidden", !kinds.has(node.dataset.kind));
  for (const edge of edges) {
    const gone = ends(edge).some((end) => nodes[end].classList.contains("hidden"));
    edge.classList.toggle("hidden", gone || !relations.has(edge.dataset.kind));
  }
}
for (const input of document.querySelectorAll("fieldset input")) input.addEventListener("change", filter);

window.addEventListener("keydown", (event) => {
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; search.blur(); find(); }
    return;
  }
  if (event.key === "0") wholeView();
  if (event.key === "Escape") { kept = null; find(); }
  if (event.key === "/") { event.preventDefault(); search.focus(); }
});
filter();
