"use strict";
// Click a column to sort by it; click again to turn the order around.
for (const head of document.querySelectorAll("th")) {
  head.tabIndex = 0;
  const sort = () => {
    const column = head.cellIndex;
    const rows = head.closest("table").tBodies[0];
    const number = head.classList.contains("number");
    const ascending = head.getAttribute("aria-sort") === (number ? "descending" : "ascending") ? number : !number;
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const order = (a, b) => (number ? value(a) - value(b) : value(a).localeCompare(value(b)));
    const sorted = [...rows.rows].sort((a, b) => (ascending ? order(a, b) : order(b, a)));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    rows.append(...sorted);
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
}
// Type to keep only the rows of all tables that contain the text.
document.querySelector("input").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of document.querySelectorAll("tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
