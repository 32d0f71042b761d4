// What is to move, and how. The states to choose from come from the viewer's history. Gradio hands in `element`, `props`
// and `trigger`; the value is what `animating.read_wish` reads.
const form = element.querySelector(".hs-panel");
const PLAN_AFTER_MS = 500; // without a change
let timer = 0;
let ready = false; // whether there is a face
let busy = false;
let number = 0; // of the newest movie that was asked for
const wish = {
  morph: !props.edits.length && !props.has_words, edit: props.edits[0]?.name ?? "", words: "", first: -1, last: -1,
  seconds: 2, fps: 24, suffix: ".mp4", ping_pong: false, in_photo: false, start: 0, stop: 0,
};

function tell(event) {
  const { morph, ...rest } = wish;
  props.value = { ...rest, number, edit: morph ? "" : wish.edit, words: morph || wish.edit ? "" : wish.words };
  trigger(event);
}

function changed() {
  clearTimeout(timer);
  // Nothing is drawn for a tab that nobody looks at.
  if (ready && !busy && form.offsetParent) timer = setTimeout(() => tell("input"), PLAN_AFTER_MS);
}

function choice(id, label, info, options, start, picked) {
  const select = make("select", { id, "aria-describedby": `${id}-info`, onchange: () => {
    picked(select.value);
    changed();
  } }, ...options.map(([value, text]) => make("option", { value, selected: value === start }, text)));
  return make(
    "div", { class: "hs-field" }, make("label", { for: id }, label), make("p", { class: "info-text", id: `${id}-info` }, info), select,
  );
}

function radios(id, label, info, options, start, picked) {
  const note = make("p", { class: "info-text", id: `${id}-info` }, info);
  return make("fieldset", { class: "hs-choice", id, "aria-describedby": note.id }, make("legend", {}, label), note, make("div", {}, ...options.map(([value, text]) => {
    const input = make("input", { type: "radio", name: id, value, onchange: () => {
      picked(value);
      changed();
    } });
    input.checked = value === start;
    return make("label", {}, input, text);
  })));
}

// A sweep: an edit or words, from one strength to another

const typed = make("input", { type: "text", placeholder: words.PROMPT_HINT, "aria-label": words.MOVIE_WORDS, title: words.MOVIE_WORDS_INFO, autocomplete: "off" });
typed.addEventListener("input", () => {
  wish.words = typed.value;
  changed();
});
const ends = make("div", {});

function chooseEdit(name) {
  wish.edit = name;
  typed.hidden = name !== "";
  const edit = props.edits.find((one) => one.name === name) ?? { minimum: -props.words_end, maximum: props.words_end, step: 0.1 };
  const slider = (field, label, info, rest) => {
    const made = makeSlider({
      ...edit, id: `hs-movie-end-${field}`, label, rest, words, info,
      moved: (value) => (wish[field] = value),
      rested: changed,
    });
    wish[field] = rest;
    made.set(rest);
    return made.row;
  };
  // Words below 0 do the opposite, which is rarely what somebody means.
  ends.replaceChildren(slider("start", words.MOVIE_FROM, words.MOVIE_FROM_INFO, name ? edit.minimum : 0), slider("stop", words.MOVIE_TO, words.MOVIE_TO_INFO, edit.maximum));
}

const edits = props.edits.map((edit) => [edit.name, say(edit.label)]);
if (props.has_words) edits.push(["", words.MOVIE_WORDS]);
const sweep = make("div", {}, choice("hs-movie-edit", words.MOVIE_EDIT, words.MOVIE_EDIT_INFO, edits, wish.edit, chooseEdit), typed, ends);

// A morph: two states of the history

const fewStates = make("p", { class: "hs-note" }, words.MOVIE_NO_STATES);
const states = make("div", { hidden: true });
const morph = make("div", { hidden: true }, fewStates, states);

function offerStates({ entries, versions }) {
  ready = entries.length > 0;
  const all = [...entries.map((one, i) => [one.number, `${i + 1}. ${say(one.label)}`]), ...versions.map((one) => [one.number, one.label])];
  const known = (number) => all.some(([one]) => one === number);
  const enough = all.length > 1;
  if (enough && !known(wish.first)) wish.first = all[0][0];
  if (enough && (!known(wish.last) || wish.last === wish.first)) wish.last = all[entries.length - 1 || 1][0];
  fewStates.hidden = enough;
  states.hidden = !enough;
  states.replaceChildren(
    choice("hs-movie-first", words.MOVIE_FIRST, words.MOVIE_FIRST_INFO, all, wish.first, (value) => (wish.first = Number(value))),
    choice("hs-movie-last", words.MOVIE_LAST, words.MOVIE_LAST_INFO, all, wish.last, (value) => (wish.last = Number(value))),
  );
  tellReady();
}

// How

const seconds = makeSlider({
  ...props.seconds, id: "hs-movie-seconds", label: words.MOVIE_SECONDS, info: words.MOVIE_SECONDS_INFO, rest: 2, words,
  moved: (value) => (wish.seconds = value),
  rested: changed,
});
seconds.set(2);
const back = make("input", { type: "checkbox", id: "hs-movie-back", "aria-describedby": "hs-movie-back-info", onchange: () => {
  wish.ping_pong = back.checked;
  changed();
} });
const start = make("button", { type: "button", class: "hs-button hs-main", id: "hs-movie-make", title: words.MOVIE_MAKE_INFO, onclick: () => {
  clearTimeout(timer);
  number += 1;
  setBusy(true);
  tell("submit");
} }, words.MOVIE_MAKE);
// Who stops a movie does not want it, even where it is finished already and on its way.
const stop = make("button", { type: "button", class: "hs-button", id: "hs-movie-stop", title: words.MOVIE_STOP_INFO, onclick: () => {
  document.dispatchEvent(new CustomEvent("hs-movie-stop", { detail: number }));
  setBusy(false);
  trigger("select", { action: "stop", number });
} }, words.MOVIE_STOP);

const plan = make("p", { class: "hs-note", id: "hs-movie-plan", role: "status" });

function tellReady() {
  start.disabled = busy || !ready;
  stop.hidden = !busy;
}

function setBusy(now) {
  busy = now;
  tellReady();
}

form.append(
  make("p", { class: "hs-note" }, words.MOVIE_INFO),
  radios("hs-movie-what", words.MOVIE_WHAT, words.MOVIE_WHAT_INFO, [["sweep", words.MOVIE_SWEEP], ["morph", words.MOVIE_MORPH]], wish.morph ? "morph" : "sweep", (value) => {
    wish.morph = value === "morph";
    sweep.hidden = wish.morph;
    morph.hidden = !wish.morph;
  }),
  sweep, morph, seconds.row,
  make(
    "div", { class: "hs-fields" },
    choice("hs-movie-fps", words.MOVIE_SPEED, words.MOVIE_SPEED_INFO, props.speeds.map((speed) => [speed, String(speed)]), 24, (value) => (wish.fps = Number(value))),
    choice("hs-movie-suffix", words.MOVIE_FORMAT, words.MOVIE_FORMAT_INFO, [[".mp4", "MP4"], [".gif", "GIF"], [".webp", "WebP"]], ".mp4", (value) => (wish.suffix = value)),
  ),
  radios("hs-movie-where", words.MOVIE_WHERE, words.MOVIE_WHERE_INFO, [["crop", words.MOVIE_CROP], ["photo", words.MOVIE_PHOTO]], "crop", (value) => {
    wish.in_photo = value === "photo";
  }),
  make(
    "div", { class: "hs-check" }, back,
    make("div", {}, make("label", { for: back.id }, words.MOVIE_BACK), make("p", { class: "info-text", id: "hs-movie-back-info" }, words.MOVIE_BACK_INFO)),
  ),
  plan, make("div", { class: "hs-tools" }, start, stop),
);
sweep.hidden = wish.morph;
morph.hidden = !wish.morph;
if (edits.length) chooseEdit(wish.edit);
tellReady();

document.addEventListener("hs-past", ({ detail }) => offerStates(detail));
if (document.hsPast) offerStates(document.hsPast); // from before this tab was built
document.addEventListener("hs-movie-plan", ({ detail }) => (plan.textContent = detail));
document.addEventListener("hs-movie-busy", ({ detail }) => setBusy(detail));
new IntersectionObserver(([now]) => now.isIntersecting && changed()).observe(form); // the tab was opened
