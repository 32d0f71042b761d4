// A contact sheet: small pictures over strength (to the right) and disentanglement (downwards). One of them is in the tab
// order; arrow keys move, Enter or a click takes it over. `chosen(cell)` is told which.
function makeSheet(sheet, words, chosen) {
  const width = sheet.strengths.length;
  const cells = sheet.rows.flat();
  const table = make("div", { class: "hs-sheet", role: "group", "aria-label": words.SHEET_NAME });
  table.style.setProperty("--columns", width);
  table.append(make("span", {}), ...sheet.strengths.map((strength) => make("span", {}, String(strength))));
  const buttons = cells.map((cell, i) => {
    const name = fill(words.SHEET_CELL, cell);
    const button = make(
      "button",
      {
        type: "button", "aria-label": name, title: name, "aria-pressed": "false", tabindex: i ? -1 : 0,
        onclick: () => {
          buttons.forEach((other) => {
            other.setAttribute("aria-pressed", String(other === button));
            other.tabIndex = other === button ? 0 : -1;
          });
          chosen(cell);
        },
      },
      make("img", { src: cell.source, alt: "" }),
    );
    return button;
  });
  sheet.rows.forEach((row, y) => {
    table.append(make("span", {}, String(row[0].disentanglement)), ...buttons.slice(y * width, (y + 1) * width));
  });
  table.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (by === undefined || at < 0) return;
    event.preventDefault();
    buttons[at + by]?.focus();
  });
  return table;
}
