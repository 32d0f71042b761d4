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

// `moved(value)` runs on every move, `rested()` when the slider was let go. `rest` is where reset goes: a number, or null
// for an empty box whose slider stands at `idle`.
function makeSlider({ id, label, info, minimum, maximum, step, rest, idle, empty, words, moved, rested }) {
  const clamp = (value) => Math.min(maximum, Math.max(minimum, value));
  const tidy = (value) => Number(clamp(value).toFixed(4));
  const field = `${id}-range`;
  const range = make("input", { type: "range", id: field, min: minimum, max: maximum, step });
  const exact = fill(words.EXACT_VALUE, { name: label });
  const number = make("input", {
    type: "number", min: minimum, max: maximum, step: "any", placeholder: empty, "aria-label": exact, title: exact,
  });
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
  range.addEventListener("input", () => move(tidy(Number(range.value))));
  range.addEventListener("change", rested);
  number.addEventListener("change", () => {
    const typed = number.value === "" ? rest : tidy(Number(number.value));
    move(Number.isFinite(typed) || typed === null ? typed : rest);
    number.value = typed == null ? "" : typed;
    rested();
  });
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") number.dispatchEvent(new Event("change"));
  });
  reset.addEventListener("click", () => {
    move(rest);
    rested();
  });
  return { row, set, focus: () => range.focus(), note };
}
