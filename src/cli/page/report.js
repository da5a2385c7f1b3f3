"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const table = at("rows"), body = table.tBodies[0], rows = [...body.rows];
  const words = rows.map((row) => row.textContent.toLowerCase());
  const search = at("search"), status = at("status"), role = at("role"), count = at("count");
  let waiting = 0;
  const filter = () => {
    waiting = 0;
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, number) => {
      const { o, s, r } = row.dataset;
      const fits = (!role.value || role.value === r) &&
        (!status.value || (status.value === "!" ? o !== "fine" : status.value === s)) &&
        wanted.every((word) => words[number].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      if (fits) shown += 1;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  const soon = () => { if (!waiting) waiting = requestAnimationFrame(filter); };
  search.addEventListener("input", soon);
  status.addEventListener("change", soon);
  role.addEventListener("change", soon);
  at("clear").addEventListener("click", () => {
    search.value = status.value = role.value = "";
    soon();
    search.focus();
  });
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.dataset.k) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const of = (row) => {
        const cell = row.cells[column];
        return head.dataset.k === "n" ? (cell.dataset.v ? Number(cell.dataset.v) : null) : cell.textContent;
      };
      const keys = new Map(rows.map((row) => [row, of(row)]));
      const compare = new Intl.Collator("en", { numeric: true }).compare;
      const sorted = [...rows].sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const order = typeof x === "number" ? x - y : compare(x, y);
        return down ? -order : order;
      });
      body.append(...sorted);
    });
  });
  at("tools").hidden = false;
  filter();
})();
