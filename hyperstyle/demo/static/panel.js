// The controls. Their state lives here: the server's answers reach it only through the events below, which the viewer
// sends on once it has made sure that no newer answer was shown. Gradio hands in `element`, `props` and `trigger`.
const panel = element.querySelector(".hs-panel");
const edits = props.groups.flatMap((group) => group.edits);
edits.forEach((edit) => {
  edit.label = say(edit.label);
  edit.info = say(edit.info);
});
const tried = Object.fromEntries((props.prompts?.suggestions ?? []).map((row) => [row.words, row]));
const sliders = {};
let state = structuredClone(props.value);
let said = ""; // the words the server has been told
let waiting = 0;
const GIVE_UP_MS = 5000; // an answer this late was lost
let asked = 0; // number of the newest request for a picture

// Telling the server

function send(moving) {
  clearTimeout(waiting);
  asked += 1;
  panel.setAttribute("aria-busy", "true");
  said = JSON.stringify(state.prompts.map((row) => [row.words, row.neutral]));
  props.value = { ...structuredClone(state), moving, asked };
  if (moving) waiting = setTimeout(() => send(false), GIVE_UP_MS);
  trigger("input");
}

function settle() {
  drawInUse();
  send(false);
}

function act(action, data = {}) {
  clearTimeout(waiting);
  props.value = { ...structuredClone(state), moving: false };
  trigger("select", { action, ...data });
}

function wordsTyped() {
  if (JSON.stringify(state.prompts.map((row) => [row.words, row.neutral])) !== said) settle();
}

// Sliders

const initial = (edit) => Math.min(Math.max(0, edit.minimum), edit.maximum);

function setEdit(name, value) {
  if (value) state.edits[name] = value;
  else {
    delete state.edits[name];
    state.off = state.off.filter((other) => other !== name);
    state.plain = state.plain.filter((other) => other !== name);
  }
}

function buildGroup(label, open, id, ...content) {
  return make(
    "details", { class: "hs-group", open, id },
    make("summary", { class: "label-wrap" }, make("span", {}, say(label))), ...content,
  );
}

function buildEdits(group) {
  const rows = group.edits.map((edit) => {
    sliders[edit.name] = makeSlider({
      ...edit, id: `hs-edit-${edit.name}`, rest: initial(edit), words,
      moved: (value) => {
        const listed = edit.name in state.edits;
        setEdit(edit.name, value);
        if (listed !== edit.name in state.edits) drawInUse();
        else tellInUse(edit.name);
        send(true);
      },
      rested: settle,
    });
    sliders[edit.name].set(initial(edit));
    return sliders[edit.name].row;
  });
  return buildGroup(group.label, group.open, null, ...rows);
}

// In use

const inUse = make("ul", {});
const inUseBox = make("section", { id: "hs-in-use", "aria-label": words.IN_USE, hidden: true }, inUse);
const signed = (value) => (value > 0 ? "+" : "") + Number(value.toFixed(2));

function inUseRow(label, value, on, { toggled, removed, shown, extra }) {
  const box = make("input", {
    type: "checkbox", "aria-label": fill(words.IN_USE_ON, { name: label }), title: fill(words.IN_USE_ON_INFO, { name: label }),
    onchange: toggled,
  });
  box.checked = on;
  const name = fill(words.IN_USE_REMOVE, { name: label });
  return make(
    "li", { "data-on": String(on) }, box,
    make("button", { type: "button", class: "hs-in-use-name", title: fill(words.IN_USE_SHOW, { name: label }), onclick: shown }, label),
    make("span", { class: "hs-in-use-value" }, signed(value)), extra,
    make("button", { type: "button", class: "hs-remove", "aria-label": name, title: name, onclick: removed }, "✕"),
  );
}

function keepOthers(edit) {
  if (!edit.others) return null;
  const plain = state.plain.includes(edit.name);
  return make(
    "button",
    {
      type: "button", class: "hs-keep", "aria-pressed": String(!plain),
      title: fill(words.KEEP_OTHERS_INFO, { name: edit.label, others: edit.others }),
      onclick: () => {
        state.plain = plain ? state.plain.filter((name) => name !== edit.name) : [...state.plain, edit.name];
        settle();
        inUse.querySelector(`[data-name="${edit.name}"] .hs-keep`)?.focus();
      },
    },
    words.KEEP_OTHERS,
  );
}

function drawInUse() {
  const rows = edits.filter((edit) => edit.name in state.edits).map((edit) => {
    const off = state.off.includes(edit.name);
    const row = inUseRow(edit.label, state.edits[edit.name], !off, {
      toggled: () => {
        state.off = off ? state.off.filter((name) => name !== edit.name) : [...state.off, edit.name];
        settle();
        inUse.querySelector(`[data-name="${edit.name}"] input`)?.focus();
      },
      removed: () => {
        setEdit(edit.name, 0);
        sliders[edit.name].set(initial(edit));
        settle();
      },
      shown: () => reveal(sliders[edit.name].row, sliders[edit.name].focus),
      extra: keepOthers(edit),
    });
    row.dataset.name = edit.name;
    return row;
  });
  state.prompts.forEach((prompt, i) => {
    if (!prompt.words.trim()) return;
    rows.push(inUseRow(prompt.words, prompt.strength, prompt.on, {
      toggled: () => switchPrompt(i, !prompt.on),
      removed: () => removePrompt(i),
      shown: () => reveal(promptRows.children[i], () => promptRows.children[i].querySelector("input[type=text]").focus()),
    }));
  });
  inUse.replaceChildren(...rows);
  inUseBox.hidden = !rows.length;
}

function tellInUse(name) {
  const value = inUse.querySelector(`[data-name="${name}"] .hs-in-use-value`);
  if (value && name in state.edits) value.textContent = signed(state.edits[name]);
}

function reveal(row, focus) {
  search.value = "";
  filter();
  row.closest("details").open = true;
  row.scrollIntoView({ block: "center" });
  focus();
}

// Search

const search = make("input", { type: "search", id: "hs-search", placeholder: words.SEARCH, "aria-label": words.SEARCH, title: words.SEARCH_INFO, autocomplete: "off" });
const none = make("p", { class: "hs-note", hidden: true, role: "status" }, words.SEARCH_NONE);
let unfolded = null; // which groups were open before the search

function filter() {
  const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const boxes = groups.map((group) => group.box);
  if (wanted.length && !unfolded) unfolded = boxes.map((box) => box.open);
  let found = 0;
  groups.forEach(({ group, box }, i) => {
    let here = 0;
    group.edits.forEach((edit) => {
      const text = `${edit.label} ${edit.name} ${edit.info} ${group.label}`.toLowerCase();
      const match = wanted.every((part) => text.includes(part));
      sliders[edit.name].row.hidden = !match;
      here += match;
    });
    box.hidden = !here;
    if (wanted.length) box.open = here > 0;
    else if (unfolded) box.open = unfolded[i];
    found += here;
  });
  if (!wanted.length) unfolded = null;
  none.hidden = found > 0 || !wanted.length;
}
search.addEventListener("input", filter);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  search.value = "";
  filter();
});

// Words

const promptRows = make("div", { class: "hs-prompts" });
const blank = () => ({ words: "", strength: props.prompts.start, on: true, neutral: "", disentanglement: null });
const sheets = new Map(); // by row of words, while it says the same

function switchPrompt(i, on) {
  state.prompts[i].on = on;
  drawPrompts();
  settle();
}

function removePrompt(i) {
  const [gone] = state.prompts.splice(i, 1);
  drawPrompts();
  if (gone.words.trim()) settle();
}

function tested(prompt) {
  const row = tried[prompt.words.trim()];
  return row ? fill(words.PROMPT_TESTED, { low: row.minimum, high: row.maximum }) : words.PROMPT_UNTESTED;
}

function buildPrompt(prompt, i) {
  const number = { number: i + 1 };
  const { end, disentanglement } = props.prompts;
  const on = make("input", { type: "checkbox", "aria-label": fill(words.PROMPT_ON, number), title: words.PROMPT_ON_INFO, onchange: () => switchPrompt(i, on.checked) });
  on.checked = prompt.on;
  const text = make("input", { type: "text", placeholder: words.PROMPT_HINT, "aria-label": fill(words.PROMPT_LABEL, number), "aria-describedby": "hs-words-info", autocomplete: "off" });
  text.value = prompt.words;
  const strength = makeSlider({
    id: `hs-words-strength-${i}`, label: words.PROMPT_STRENGTH, info: tested(prompt), minimum: -end, maximum: end, step: 0.1,
    rest: props.prompts.start, words,
    moved: (value) => {
      prompt.strength = value;
      send(true);
    },
    rested: settle,
  });
  strength.set(prompt.strength);
  const typed = (field, input) => {
    input.addEventListener("input", () => {
      prompt[field] = input.value;
      strength.note.textContent = tested(prompt);
    });
    input.addEventListener("keydown", (event) => event.key === "Enter" && wordsTyped());
    input.addEventListener("blur", wordsTyped);
  };
  typed("words", text);
  const neutral = make("input", { type: "text", id: `hs-neutral-${i}`, placeholder: words.PROMPT_NEUTRAL_HINT, "aria-describedby": `hs-neutral-info-${i}`, autocomplete: "off" });
  neutral.value = prompt.neutral;
  typed("neutral", neutral);
  const apart = makeSlider({
    ...disentanglement, id: `hs-words-apart-${i}`, label: words.PROMPT_DISENTANGLEMENT, info: words.PROMPT_DISENTANGLEMENT_INFO,
    rest: null, idle: disentanglement.maximum / 3, empty: words.PROMPT_AUTOMATIC, words,
    moved: (value) => {
      prompt.disentanglement = value;
      send(true);
    },
    rested: settle,
  });
  apart.set(prompt.disentanglement);
  const sheet = make("div", {});
  const found = sheets.get(prompt);
  if (found && found.words === prompt.words) {
    sheet.append(makeSheet(found, words, (cell) => {
      prompt.strength = cell.strength;
      prompt.disentanglement = cell.disentanglement;
      strength.set(cell.strength);
      apart.set(cell.disentanglement);
      settle();
    }));
  }
  const more = make(
    "details", { class: "hs-more", open: prompt.open },
    make("summary", {}, words.PROMPT_MORE),
    make("label", { for: neutral.id }, words.PROMPT_NEUTRAL), make("p", { class: "info-text", id: `hs-neutral-info-${i}` }, words.PROMPT_NEUTRAL_INFO),
    neutral, apart.row,
    make("button", {
      type: "button", class: "hs-button", id: `hs-sheet-${i}`, title: words.SHEET_INFO,
      onclick: () => act("sheet", { prompt: i }),
    }, words.SHEET),
    sheet,
  );
  more.addEventListener("toggle", () => opened.set(prompt, more.open));
  more.open = opened.get(prompt) ?? false;
  const gone = fill(words.PROMPT_REMOVE, number);
  return make(
    "div", { class: "hs-prompt", id: `hs-prompt-${i}` },
    make(
      "div", { class: "hs-prompt-line" }, on, make("span", { id: `hs-words-${i}` }, text),
      make("button", { type: "button", class: "hs-remove", "aria-label": gone, title: gone, onclick: () => removePrompt(i) }, "✕"),
    ),
    strength.row, more,
  );
}
const opened = new Map(); // which rows of words are unfolded

function drawPrompts() {
  if (!props.prompts) return;
  if (!state.prompts.length) state.prompts.push(blank());
  promptRows.replaceChildren(...state.prompts.map(buildPrompt));
  addPrompt.hidden = state.prompts.length >= props.prompts.most;
}

function suggest(row) {
  if (state.prompts.some((prompt) => prompt.words.trim() === row.words)) return;
  let free = state.prompts.find((prompt) => !prompt.words.trim());
  if (!free) {
    if (state.prompts.length >= props.prompts.most) return;
    free = blank();
    state.prompts.push(free);
  }
  Object.assign(free, { words: row.words, strength: row.start, on: true });
  drawPrompts();
  settle();
}

const addPrompt = make("button", {
  type: "button", class: "hs-button", id: "hs-add-prompt", title: words.PROMPT_ADD_INFO,
  onclick: () => {
    state.prompts.push(blank());
    drawPrompts();
    promptRows.lastElementChild.querySelector("input[type=text]").focus();
  },
}, words.PROMPT_ADD);

function buildWords() {
  if (!props.prompts) return buildGroup(words.WORDS_HEADING, false, "hs-words", make("p", { class: "hs-note" }, words.WORDS_MISSING));
  const chips = props.prompts.suggestions.slice(0, props.prompts.chips).map((row) =>
    make("button", { type: "button", class: "hs-chip", title: words.CHIP_INFO, onclick: () => suggest(row) }, row.words));
  return buildGroup(
    words.WORDS_HEADING, true, "hs-words", make("p", { class: "hs-note", id: "hs-words-info" }, words.WORDS_INFO), promptRows,
    chips.length ? make("div", { class: "hs-chips" }, ...chips) : null, addPrompt,
  );
}

// Rebuild

const numberSlider = (name, range, id, label, info) => makeSlider({
  ...range, id, label, info, rest: 1, words,
  moved: (value) => {
    state[name] = value;
    send(true);
  },
  rested: settle,
});
const offset = numberSlider("offset_strength", props.offset, "hs-offset-strength", words.OFFSET_LABEL, words.OFFSET_INFO);
const detail = numberSlider("detail", props.detail, "hs-detail", words.DETAIL_LABEL, words.DETAIL_INFO);

// While the button or its key is held the generator's own picture is shown; nothing is remembered of it.
let held = false;
function hold() {
  const kept = state.detail ?? 1;
  if (held || !kept) return;
  held = true;
  own.setAttribute("aria-pressed", "true");
  state.detail = 0;
  send(true);
  clearTimeout(waiting);
  state.detail = kept;
}
function release() {
  if (!held) return;
  held = false;
  own.setAttribute("aria-pressed", "false");
  settle();
}
const own = make("button", {
  type: "button", class: "hs-button", id: "hs-own", title: words.OWN_INFO, "aria-pressed": "false", "aria-keyshortcuts": "G",
  onpointerdown: hold, oncontextmenu: (event) => event.preventDefault(),
  onkeydown: (event) => [" ", "Enter"].includes(event.key) && hold(), onkeyup: release, onblur: release,
}, words.OWN_LABEL);
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, release);
window.addEventListener("blur", release);

const steps = make(
  "fieldset", { id: "hs-steps", "aria-describedby": "hs-steps-info" },
  make("legend", {}, words.STEPS_LABEL), make("p", { class: "info-text", id: "hs-steps-info" }, words.STEPS_INFO),
  make("div", {}, ...props.steps.map((count) => {
    const choice = make("input", {
      type: "radio", name: "hs-steps", value: count,
      onchange: () => {
        state.steps = count;
        props.value = { ...structuredClone(state), moving: false };
        trigger("submit");
      },
    });
    return make("label", {}, choice, String(count));
  })),
);

// Style

const style = props.styles.length < 2 ? null : make(
  "fieldset", { class: "hs-choice", id: "hs-style", "aria-describedby": "hs-style-info" },
  make("legend", { class: "hs-unseen" }, words.STYLE_HEADING), make("p", { class: "info-text", id: "hs-style-info" }, words.STYLE_INFO),
  make("div", {}, ...props.styles.map(([name, label]) => {
    const input = make("input", { type: "radio", name: "hs-style", value: name, onchange: () => {
      state.style = name;
      settle();
    } });
    return make("label", {}, input, say(label));
  })),
);

// All together

function showState() {
  edits.forEach((edit) => sliders[edit.name].set(state.edits[edit.name] ?? initial(edit)));
  offset.set(state.offset_strength);
  detail.set(state.detail ?? 1);
  steps.querySelectorAll("input").forEach((choice) => (choice.checked = Number(choice.value) === state.steps));
  style?.querySelectorAll("input").forEach((choice) => (choice.checked = choice.value === (state.style ?? "")));
  drawPrompts();
  drawInUse();
  props.value = { ...structuredClone(state), moving: false };
  said = JSON.stringify(state.prompts.map((row) => [row.words, row.neutral]));
}

const button = (id, text, title, onclick, label) =>
  make("button", { type: "button", class: "hs-button", id, title, "aria-label": label, onclick }, text);
const undo = button("hs-undo", "↶", words.UNDO, () => act("undo"), words.UNDO);
const redo = button("hs-redo", "↷", words.REDO, () => act("redo"), words.REDO);
const surprise = button("hs-surprise", words.SURPRISE, words.SURPRISE_INFO, () => act("surprise"));
const reset = button("hs-reset", words.RESET_ALL, words.RESET_ALL_INFO, () => {
  state = { ...state, edits: {}, off: [], plain: [], prompts: [], offset_strength: 1, detail: 1, style: "" };
  showState();
  settle();
});
undo.disabled = redo.disabled = surprise.disabled = true;

const groups = props.groups.map((group) => ({ group, box: buildEdits(group) }));
panel.append(
  make(
    "div", { class: "hs-heading-row" }, make("h2", {}, words.CONTROLS_HEADING),
    make("div", { class: "hs-tools" }, undo, redo, edits.length ? surprise : null, reset),
  ),
  inUseBox,
  ...(edits.length ? [search, none] : [make("p", { class: "hs-note" }, words.NO_EDITS)]),
  ...groups.map(({ box }) => box),
  buildWords(),
  style ? buildGroup(words.STYLE_HEADING, true, "hs-styles", style) : "",
  buildGroup(words.REBUILD_HEADING, false, "hs-rebuild", detail.row, own, offset.row, steps),
);
showState();

// Answers from the server, by way of the viewer

document.addEventListener("hs-controls", ({ detail }) => {
  clearTimeout(waiting);
  state = structuredClone(detail);
  sheets.clear();
  opened.clear();
  showState();
});
document.addEventListener("hs-answered", ({ detail }) => {
  if (detail < asked) return;
  if (held || !props.value.moving) panel.setAttribute("aria-busy", "false");
  else {
    // Counted from the answer, or a busy server would be given full pictures to draw between the moves of a drag.
    clearTimeout(waiting);
    waiting = setTimeout(() => send(false), props.still);
  }
});
document.addEventListener("hs-past", ({ detail }) => {
  undo.disabled = !detail.undo;
  redo.disabled = !detail.redo;
  surprise.disabled = !detail.entries.length;
});
document.addEventListener("hs-sheet", ({ detail }) => {
  const prompt = state.prompts[detail.prompt];
  if (!prompt || prompt.words !== detail.words) return; // typed over in the meantime
  sheets.set(prompt, detail);
  opened.set(prompt, true);
  drawPrompts();
  promptRows.children[detail.prompt].querySelector(".hs-sheet").scrollIntoView({ block: "nearest" });
});
const TEXT_FIELDS = "input[type=text], input[type=search], textarea"; // where keys belong to the text
const isOwnKey = ({ key, target, ctrlKey, metaKey, altKey }) =>
  key.toLowerCase() === "g" && !ctrlKey && !metaKey && !altKey && !target.matches?.(`${TEXT_FIELDS}, input[type=number]`);
document.addEventListener("keydown", (event) => isOwnKey(event) && hold());
document.addEventListener("keyup", ({ key }) => key.toLowerCase() === "g" && release());
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const key = event.key.toLowerCase();
  const back = key === "z" && !event.shiftKey;
  const forth = (key === "z" && event.shiftKey) || key === "y";
  if ((!back && !forth) || event.target.matches?.(TEXT_FIELDS)) return;
  event.preventDefault();
  const wanted = back ? undo : redo;
  if (!wanted.disabled) act(back ? "undo" : "redo");
});
