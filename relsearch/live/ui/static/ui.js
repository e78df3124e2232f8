// Keys, forms that swap the page's content, grades that outlive a lost server, and lines between moved documents.
// Pages work without this script; it never makes markup of a document's text.
"use strict";

const PENDING = "relsearch-pending";
const RETRY_MS = 700;
const SVG = "http://www.w3.org/2000/svg";
let busy = false;

const main = () => document.getElementById("main");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function notice(text) {
  const place = document.getElementById("notice");
  place.textContent = text;
  place.hidden = !text;
}

function setBusy(value) {
  busy = value;
  document.body.classList.toggle("busy", value);
}

// --- Content ---------------------------------------------------------------------------------------------------------

function show(text, url, { push = true, focus = true } = {}) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  if (!fresh) return location.assign(url);
  document.title = page.title;
  main().replaceWith(document.adoptNode(fresh));
  if (push && url !== location.href) history.pushState(null, "", url);
  if (focus) {
    main().focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  begin();
}

async function load(url, options) {
  setBusy(true);
  try {
    const answer = await fetch(url);
    const text = await answer.text();
    setBusy(false); // before the new page is there: its first key counts
    show(text, answer.url, options);
    notice("");
  } catch {
    notice("The server does not answer. Is relsearch ui still running?");
  } finally {
    setBusy(false);
  }
}

// --- Forms that keep what was given until the server has it -----------------------------------------------------------

async function deliver(pending, { again = false } = {}) {
  localStorage.setItem(PENDING, JSON.stringify(pending));
  setBusy(true);
  for (;;) {
    try {
      const answer = await fetch(pending.url, { method: "POST", body: new URLSearchParams(pending.body) });
      if (answer.status < 500) {
        localStorage.removeItem(PENDING);
        setBusy(false);
        notice("");
        // Given on a page that was left before its answer came: this page stays, with what it changed.
        if (again && answer.ok) return load(location.href, { push: false, focus: false });
        return show(await answer.text(), answer.url);
      }
    } catch {
      // The server is gone; it may come back.
    }
    notice("The server does not answer. Your last answer is kept here and sent when it is back.");
    await wait(RETRY_MS);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-swap]")) return;
  event.preventDefault();
  if (busy) return;
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  const url = form.getAttribute("action"); // form.action may be a field of that name
  if (form.getAttribute("method") === "post") deliver({ url, body: fields.toString() });
  else load(new URL(`${url}?${fields}`, location.href).href);
});

addEventListener("popstate", () => load(location.href, { push: false }));

// --- Keys ------------------------------------------------------------------------------------------------------------

function isTyping(target) {
  return target.closest("textarea, select, input:not([type=checkbox]):not([type=radio])");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") main().focus();
    return;
  }
  const target = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === event.key);
  if (!target || event.repeat) return;
  event.preventDefault();
  if (isTyping(target)) target.focus();
  else target.click();
});

// --- Lines between documents that are in both orders --------------------------------------------------------------------

function visibleRows(side) {
  return new Map([...side.querySelectorAll("li[data-doc]")].map((row) => [row.dataset.doc, row]));
}

function draw() {
  const orders = document.querySelector("[data-lines]");
  if (!orders) return;
  const svg = orders.querySelector("svg");
  const box = svg.getBoundingClientRect();
  svg.replaceChildren();
  if (!box.width) return;
  const right = visibleRows(orders.querySelector(".right"));
  for (const [doc, row] of visibleRows(orders.querySelector(".left"))) {
    const other = right.get(doc);
    if (!other) continue;
    const [from, to] = [row, other].map((each) => {
      const top = each.querySelector("summary").getBoundingClientRect();
      return top.top + Math.min(top.height / 2, 24) - box.top;
    });
    const path = document.createElementNS(SVG, "path");
    const middle = box.width / 2;
    path.setAttribute("d", `M0 ${from} C${middle} ${from} ${middle} ${to} ${box.width} ${to}`);
    const move = Number(other.dataset.move);
    path.setAttribute("class", move > 0 ? "up" : move < 0 ? "down" : "same");
    path.dataset.doc = doc;
    svg.append(path);
  }
}

function mark(target) {
  const doc = target.closest?.("li[data-doc]")?.dataset.doc;
  for (const each of document.querySelectorAll(".orders [data-doc]")) {
    each.classList.toggle("marked", each.dataset.doc === doc);
  }
}

document.addEventListener("mouseover", (event) => mark(event.target));
document.addEventListener("focusin", (event) => mark(event.target));
document.addEventListener("toggle", draw, true);
document.addEventListener("change", () => requestAnimationFrame(draw));
addEventListener("resize", draw);

// --- Pages that change by themselves -------------------------------------------------------------------------------------

let timer = 0;

function begin() {
  draw();
  clearTimeout(timer);
  const changing = document.querySelector("[data-refresh]");
  if (changing) {
    timer = setTimeout(() => load(location.href, { push: false, focus: false }), Number(changing.dataset.refresh));
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) document.body.classList.add("busy");
});
addEventListener("pageshow", () => setBusy(false));

const kept = localStorage.getItem(PENDING);
if (kept) deliver(JSON.parse(kept), { again: true });
begin();
