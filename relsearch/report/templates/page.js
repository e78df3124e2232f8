"use strict";
// Every text of a query or a document is set as text, never as markup.
(() => {
  document.documentElement.classList.add("interactive");

  const element = (tag, className, text, parent) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.textContent = text;
    parent.append(made);
    return made;
  };

  // Tables are sorted by the column whose heading is pressed: numbers by their value, the greatest first.
  const value = (row, column) => {
    const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
    const number = parseFloat(text.replace(/[,\s<%]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === typeof b) return a.localeCompare(b);
    return typeof a === "number" ? 1 : -1;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      if (heading.querySelector(".unseen")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const falling = heading.getAttribute("aria-sort") !== "descending";
        headings.forEach((each) => each.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (falling ? -1 : 1) * compare(value(a, column), value(b, column)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  const dialog = document.getElementById("lists");
  if (!dialog) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const signed = (number) => (number > 0 ? "+" : "") + number.toFixed(3);

  // A document is a row: place of its text, human grade, judged grade, then its rank in each run.
  // A rank of null lies below those that are kept.
  const movement = (before, after) => {
    const [from, to] = [before ?? Infinity, after ?? Infinity];
    if (from === to) return ["", "same rank"];
    return from > to ? ["up", "▲"] : ["down", "▼"];
  };
  const fill = (list, documents, baseline, run, side) => {
    const [mine, theirs] = [3 + side, 3 + (side === run ? baseline : run)];
    const shown = documents.filter((row) => row[mine] !== null && row[mine] <= data.depth);
    shown.sort((a, b) => a[mine] - b[mine]);
    list.replaceChildren();
    for (const row of shown) {
      const [id, title, body] = data.documents[row[0]];
      const item = element("li", "", "", list);
      const head = element("p", "", "", item);
      element("span", "rank", row[mine], head);
      const [way, sign] = movement(row[3 + baseline], row[3 + run]);
      const place = row[theirs] === null ? `below ${data.ranks}` : row[theirs];
      element("span", `moved ${way}`, way ? `${sign} ${side === run ? "from" : "to"} ${place}` : sign, head);
      if (row[1] !== null) element("span", "chip human", `human ${row[1]}`, head);
      if (row[2] !== null) element("span", "chip judged", `judge ${row[2]}`, head);
      if (row[1] === null && row[2] === null) element("span", "muted", "no grade", head);
      const name = element("p", "", "", item);
      name.dir = "auto";
      element("b", "", title || id, name);
      if (body) element("p", "muted", body, item).dir = "auto";
    }
    if (!shown.length) element("li", "muted", "no result", list);
  };
  const open = (place, runName, baselineName) => {
    const query = data.queries[place];
    const [run, baseline] = [data.runs.indexOf(runName), data.runs.indexOf(baselineName)];
    document.getElementById("lists-query").textContent = query.text || query.id;
    const [old, now] = [query.values[baseline], query.values[run]];
    document.getElementById("lists-change").textContent =
      `${dialog.dataset.measure}: ${old.toFixed(3)} in ${baselineName}, ${now.toFixed(3)} in ${runName} (${signed(now - old)})`;
    const headings = dialog.querySelectorAll("h3");
    const lists = dialog.querySelectorAll("ol");
    headings[0].textContent = baselineName;
    headings[1].textContent = runName;
    fill(lists[0], query.documents, baseline, run, baseline);
    fill(lists[1], query.documents, baseline, run, run);
    dialog.showModal();
    dialog.scrollTop = 0;
  };
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  for (const section of document.querySelectorAll(".compared")) {
    const { run } = section.dataset;
    const { baseline } = dialog.dataset;
    for (const button of section.querySelectorAll("button.query")) {
      button.addEventListener("click", () => open(Number(button.dataset.place), run, baseline));
    }
    const chart = JSON.parse(section.querySelector(".chart").textContent);
    const picture = section.querySelector(".gains");
    const slider = section.querySelector("input[type=range]");
    const output = section.querySelector("output");
    const button = section.querySelector(".open");
    const show = () => {
      const [place, difference, text] = chart[Number(slider.value)];
      picture.querySelector(".cursor").setAttribute("x", slider.value);
      const said = `${signed(difference)}  ${text}`;
      output.textContent = said;
      slider.setAttribute("aria-valuetext", said);
      button.disabled = place < 0;
    };
    const openPicked = () => {
      if (!button.disabled) open(chart[Number(slider.value)][0], run, baseline);
    };
    const pick = (event) => {
      const box = picture.getBoundingClientRect();
      const place = Math.floor(((event.clientX - box.left) / box.width) * chart.length);
      slider.value = Math.max(0, Math.min(chart.length - 1, place));
      show();
    };
    slider.addEventListener("input", show);
    slider.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // else the key would press the dialog's first button as well
      openPicked();
    });
    button.addEventListener("click", openPicked);
    picture.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") pick(event);
    });
    picture.addEventListener("click", (event) => {
      pick(event);
      openPicked();
    });
    show();

    const find = section.querySelector(".find");
    find.addEventListener("input", () => {
      const wanted = find.value.toLocaleLowerCase();
      for (const row of section.querySelector(".all tbody").rows) {
        row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
      }
    });
  }

  const select = document.getElementById("run");
  if (select) {
    const choose = () => {
      for (const section of document.querySelectorAll(".compared")) {
        section.hidden = section.dataset.run !== select.value;
      }
    };
    select.addEventListener("change", choose);
    choose();
  }
})();
