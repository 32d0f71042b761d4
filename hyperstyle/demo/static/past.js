// What is known about the picture, and the history with its versions; part of the viewer, whose names it uses.
const readout = find(".hs-readout");
const past = find(".hs-past");
const strip = past.querySelector("ol");
const versions = past.querySelector(".hs-versions ul");
const keep = past.querySelector("form");
const compareTwo = find(".hs-compare-two");
const thumbnails = {}; // by number of the state: each is sent a few times only
const keepThis = find(".hs-keep-this");
let sides = null; // while comparing: the numbers chosen so far

past.querySelector("h2").textContent = words.HISTORY;
strip.setAttribute("aria-label", words.HISTORY_NAME);
versions.setAttribute("aria-label", words.VERSIONS_NAME);
compareTwo.textContent = words.COMPARE_STATES;
compareTwo.title = words.COMPARE_STATES_INFO;
keep.querySelector("input").placeholder = words.VERSION_HINT;
keep.querySelector("input").setAttribute("aria-label", words.VERSION_HINT);
keep.querySelectorAll("input, button").forEach((part) => (part.title = words.VERSION_KEEP_INFO));
keep.querySelector("button").textContent = words.VERSION_KEEP;
keepThis.textContent = words.VERSION_OPEN;
keepThis.title = words.VERSION_KEEP_INFO;

function openKeep(open) {
  keep.hidden = !open;
  keepThis.setAttribute("aria-expanded", String(open));
  if (open) keep.querySelector("input").focus();
}

function showReadout({ summary, moves, notes }) {
  readout.hidden = !summary.length;
  readout.querySelector("summary").textContent = summary.map(say).join(" · ");
  readout.querySelector(".hs-note").textContent = notes.map(say).join(" ");
  readout.querySelector("ul").replaceChildren(...moves.map(({ label, amount, share }) => {
    const item = document.createElement("li");
    const [name, bar, much] = ["span", "span", "span"].map((tag) => document.createElement(tag));
    name.textContent = say(label);
    much.textContent = say(amount);
    bar.className = "hs-bar";
    bar.style.setProperty("--share", `${Math.round(100 * share)}%`);
    item.append(name, bar, much);
    return item;
  }));
}

function choose(entry) {
  if (!sides) {
    trigger("select", { action: "restore", entry: entry.number });
    return;
  }
  sides = sides.length === 2 ? [entry.number] : [...sides, entry.number];
  markSides();
  if (sides.length === 2) trigger("select", { action: "compare", before: sides[0], after: sides[1] });
}

function markSides() {
  compareTwo.setAttribute("aria-pressed", String(Boolean(sides)));
  past.querySelectorAll("[data-entry]").forEach((button) => {
    const side = sides ? sides.indexOf(Number(button.dataset.entry)) : -1;
    button.dataset.side = side < 0 ? "" : "AB"[side];
  });
  if (sides && sides.length < 2) showStatus({ kind: "info", text: sides.length ? words.PICK_SECOND : words.PICK_FIRST });
}

// Back from two states to the photo and the face as it stands.
function endComparing() {
  if (!sides) return;
  sides = null;
  markSides();
  if (frames.length) compareWith(compared);
  if (latest) {
    showPicture(latest.picture, false);
    tag.textContent = after.alt = say(latest.tag);
  }
}

function showPair(pair) {
  before.src = pair.before;
  find(".hs-tag-before").textContent = say(pair.before_label);
  showPicture(pair.after, false);
  tag.textContent = after.alt = say(pair.after_label);
  film.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", "false"));
  moveBorder(50, true);
}

function stateButton(entry, current) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.entry = entry.number;
  button.setAttribute("aria-current", String(current));
  button.title = words.HISTORY_GO.replace("{label}", say(entry.label));
  button.addEventListener("click", () => choose(entry));
  return button;
}

function showPast({ entries, versions: kept, at }) {
  document.hsPast = { entries, versions: kept }; // for a tab that is built later
  past.hidden = entries.length < 2 && !kept.length;
  strip.replaceChildren(...entries.map((entry) => {
    const item = document.createElement("li");
    const button = stateButton(entry, entry.number === at);
    const picture = document.createElement("img");
    const label = document.createElement("small");
    picture.alt = "";
    if (thumbnails[entry.number]) picture.src = thumbnails[entry.number];
    label.textContent = say(entry.label);
    button.append(picture, label);
    item.append(button);
    return item;
  }));
  versions.replaceChildren(...kept.map((entry) => {
    const item = document.createElement("li");
    const button = stateButton(entry, false);
    button.textContent = entry.label;
    const drop = document.createElement("button");
    const name = words.VERSION_DROP.replace("{name}", entry.label);
    drop.type = "button";
    drop.className = "hs-remove";
    drop.textContent = "✕";
    drop.title = name;
    drop.setAttribute("aria-label", name);
    drop.addEventListener("click", () => trigger("select", { action: "drop", entry: entry.number }));
    item.append(button, drop);
    return item;
  }));
  const current = strip.querySelector('[aria-current="true"]');
  if (current) strip.scrollLeft = current.offsetLeft - strip.clientWidth / 2;
  for (const number of Object.keys(thumbnails)) {
    if (!entries.some((entry) => entry.number === Number(number))) delete thumbnails[number];
  }
}

compareTwo.addEventListener("click", () => {
  if (sides) {
    endComparing();
    return;
  }
  sides = [];
  markSides();
});
keepThis.addEventListener("click", () => openKeep(keep.hidden));
keep.addEventListener("submit", (event) => {
  event.preventDefault();
  trigger("select", { action: "keep", name: keep.querySelector("input").value });
  keep.reset();
  openKeep(false);
  keepThis.focus();
});
