// Draws alignments: a table whose cells are the darker, the more weight.

const LEAST_DARKEST = 0.3; // of soft alignments, so as not to mislead

/**
 * @param {HTMLElement} place Is emptied, and gets the table.
 * @param {string[]} columns Names of what was read.
 * @param {string[]} rows Names of what was written.
 * @param {ArrayLike<number>[]} weights One row of weights for each row.
 * @param {(text: string) => void} onChoose Is told about a cell, in words.
 */
export function drawHeatMap(place, columns, rows, weights, onChoose) {
  const largest = weights.map((row) => Math.max(...row));
  const most = Math.max(LEAST_DARKEST, ...largest);
  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.textContent = "Share of attention, in percent";
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"));
  for (const column of columns) {
    const name = document.createElement("span");
    name.textContent = column;
    head.append(header("col", name));
  }
  const body = table.createTBody();
  rows.forEach((row, index) => {
    const line = body.insertRow();
    line.append(header("row", row));
    columns.forEach((column, place) => {
      const weight = weights[index][place];
      const percent = `${Math.round(100 * weight)} %`;
      const cell = line.insertCell();
      cell.style.setProperty("--weight", (weight / most).toFixed(3));
      cell.setAttribute("aria-label", percent);
      cell.title = `${row} ← ${column}: ${percent}`;
    });
  });
  const choose = (event) => {
    const cell = event.target.closest("tbody td");
    if (cell) {
      table.querySelector(".chosen")?.classList.remove("chosen");
      cell.classList.add("chosen");
      onChoose(cell.title);
    }
  };
  table.addEventListener("click", choose);
  table.addEventListener("pointerover", choose);
  place.replaceChildren(table);
}

function header(scope, content) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.dir = "auto";
  cell.append(content);
  return cell;
}
