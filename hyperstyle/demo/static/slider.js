// A labelled slider with an exact value and a reset. `make` builds elements; both are used by the files that follow.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

// Fills the {names} of a text.
function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

// A number as people type it, with a decimal comma too; null for nothing, NaN for what is none. 1,500 may be either of two.
function readNumber(text) {
  const plain = text.trim().replace("\u2212", "-");
  if (plain === "") return null;
  const comma = /^[+-]?\d*,\d+$/.test(plain) && !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(plain);
  return Number(comma ? plain.replace(",", ".") : plain);
}

// `moved(value)` runs on every move, `rested()` when the slider was let go. `rest` is where reset goes: a number, or null
// for an empty box whose slider stands at `idle`.
function makeSlider({ id, label, info, minimum, maximum, step, rest, idle, empty, words, moved, rested }) {
  const clamp = (value) => Math.min(maximum, Math.max(minimum, value));
  const tidy = (value) => Number(clamp(value).toFixed(4));
  const field = `${id}-range`;
  const range = make("input", { type: "range", id: field, min: minimum, max: maximum, step });
  const exact = fill(words.EXACT_VALUE, { name: label });
  // Not of the type number: which of "1.5" and "1,5" such a box takes, and whether it loses the other, is up to the browser.
  const number = make("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", placeholder: empty, "aria-label": exact, title: exact,
  });
  let now = rest;
  const name = fill(words.RESET_ONE, { name: label });
  const reset = make("button", { type: "button", class: "reset-button", "aria-label": name, title: name }, "↺");
  const note = info == null ? null : make("p", { class: "info-text", id: `${id}-info` }, info);
  if (note) range.setAttribute("aria-describedby", note.id);
  const zero = (-100 * minimum) / (maximum - minimum);
  const row = make(
    "div",
    { class: minimum < 0 && maximum > 0 ? "hs-slider hs-two-sided" : "hs-slider", id, style: `--zero: ${zero}%` },
    make("div", { class: "head" }, make("label", { for: field }, label), make("span", { class: "hs-value" }, number, reset)),
    note,
    range,
  );

  function set(value) {
    now = value;
    const at = value ?? idle ?? 0;
    range.value = at;
    row.style.setProperty("--range_progress", `${(100 * (clamp(at) - minimum)) / (maximum - minimum)}%`);
    if (document.activeElement !== number) number.value = value == null ? "" : tidy(value);
    row.dataset.changed = String(value !== rest);
  }
  function move(value) {
    set(value);
    moved(value);
  }
  function exactly(value) {
    move(value);
    number.value = value == null ? "" : value;
    rested();
  }
  range.addEventListener("input", () => move(tidy(Number(range.value))));
  range.addEventListener("change", rested);
  number.addEventListener("change", () => {
    const typed = readNumber(number.value);
    exactly(typed === null ? rest : Number.isFinite(typed) ? tidy(typed) : now);
  });
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") number.dispatchEvent(new Event("change"));
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    exactly(tidy((now ?? idle ?? 0) + way * step));
  });
  reset.addEventListener("click", () => {
    move(rest);
    rested();
  });
  return { row, set, focus: () => range.focus(), note };
}
