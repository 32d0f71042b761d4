// The result: status line, before/after wipe and filmstrip; `past.js` follows. Runs once, when the page has loaded;
// Gradio hands in `element`, `props`, `trigger` and `watch`. Only `props.value` changes afterwards, and each value
// carries only what is new. What is meant for the controls goes on to them as an event.
const find = (selector) => element.querySelector(selector);
const status = find(".hs-status");
const stage = find(".hs-stage");
const after = find(".hs-after");
const before = find(".hs-before");
const border = find(".hs-border");
const tag = find(".hs-tag-after");
const film = find(".hs-film");
const toast = find(".hs-toast");

find(".hs-empty span").textContent = words.VIEWER_EMPTY;
find(".hs-film-note").textContent = words.FILM_NOTE;
film.setAttribute("aria-label", words.FILM_NAME);
border.setAttribute("aria-label", words.VIEWER_NAME);
border.title = words.VIEWER_NAME;

// Serial of the newest answer shown, per part: an answer that was overtaken on its way must not undo a newer one.
const shown = { status: 0, picture: 0, frames: 0, readout: 0, past: 0, controls: 0, take: 0, sheet: 0, pair: 0, link: 0 };
let frames = [];
let compared = 0; // frame on the left of the border
let latest = null; // the face as it stands, while two states are compared
let touched = false; // whether the person has moved the border

function moveBorder(percent, glide) {
  const at = Math.min(100, Math.max(0, percent));
  stage.classList.toggle("hs-glide", Boolean(glide));
  stage.style.setProperty("--wipe", at + "%");
  stage.dataset.end = String(at > 85);
  border.setAttribute("aria-valuenow", Math.round(at));
}

function showStatus({ kind, text }) {
  status.dataset.kind = kind;
  status.textContent = say(text);
  const { top, bottom } = status.getBoundingClientRect();
  // On a phone the status line lies below the upload: bring it into view when something happens there. Once the page is
  // scrolled down to the controls, the picture stays in sight and says it instead: jumping away would be rude.
  const above = bottom < 0 || (stage.getBoundingClientRect().top < 20 && top < 20);
  if (kind !== "info" && top > window.innerHeight - 60) {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    status.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }
  toast.textContent = say(text);
  toast.hidden = !(above && (kind === "problem" || kind === "info"));
}

function compareWith(index) {
  compared = Math.min(index, frames.length - 1);
  before.src = frames[compared].source;
  find(".hs-tag-before").textContent = say(frames[compared].label);
  film.querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === compared)));
}

function showFrames(list) {
  const restarted = list.length < frames.length || list.length === 1;
  frames = list;
  film.hidden = false;
  while (film.children.length > frames.length) film.lastElementChild.remove();
  frames.forEach((frame, i) => {
    let item = film.children[i];
    if (!item) {
      item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("img"), document.createElement("strong"));
      button.addEventListener("click", () => {
        endComparing();
        compareWith(i);
        if (parseFloat(stage.style.getPropertyValue("--wipe")) < 5) moveBorder(50, true);
      });
      item.append(button);
      film.append(item);
    }
    const button = item.firstElementChild;
    const [picture, label, ...captions] = button.children;
    if (picture.src !== frame.source) picture.src = frame.source;
    picture.alt = "";
    label.textContent = say(frame.label);
    button.title = words.FILM_INFO.replace("{name}", label.textContent);
    captions.forEach((caption) => caption.remove());
    frame.captions.forEach((text) => {
      const caption = document.createElement("small");
      caption.textContent = say(text);
      button.append(caption);
    });
  });
  if (restarted) {
    touched = false;
    compared = 0;
    moveBorder(50, true);
  }
  compareWith(compared);
  // Until the edited face is drawn, show the newest stage of the rebuild.
  if (restarted || after.dataset.provisional === "true") {
    showPicture(frames[frames.length - 1].source, true);
    tag.textContent = after.alt = say(frames[frames.length - 1].label);
  }
}

function showPicture(source, provisional) {
  after.dataset.provisional = String(provisional);
  after.src = source;
  stage.dataset.empty = "false";
}

function apply(value) {
  if (!value || !value.serial) return;
  const isNew = (part) => {
    if (value[part] == null || value.serial <= shown[part]) return false;
    shown[part] = value.serial;
    return true;
  };
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  if (isNew("frames")) showFrames(value.frames);
  if (isNew("picture")) {
    latest = { picture: value.picture, tag: value.tag };
    endComparing();
    showPicture(value.picture, false);
    tag.textContent = after.alt = say(value.tag);
    // The first edit opens the whole picture, so that what is dragged can be seen; afterwards the border stays put.
    if (value.frames == null && !touched) moveBorder(0, true);
  }
  if (isNew("pair") && value.serial > shown.picture) showPair(value.pair);
  if (isNew("controls")) tell("hs-controls", value.controls);
  if (isNew("take")) tell("hs-take", value.take);
  if (isNew("readout")) showReadout(value.readout);
  Object.assign(thumbnails, value.past?.thumbnails); // also from an answer that was overtaken
  if (isNew("past")) {
    showPast(value.past);
    markSides();
    tell("hs-past", value.past);
  }
  if (isNew("link")) tell("hs-link", value.link);
  if (isNew("sheet")) tell("hs-sheet", value.sheet);
  if (isNew("status")) showStatus(value.status);
  if (value.asked) tell("hs-answered", value.asked);
}

function dragTo(event) {
  const box = stage.getBoundingClientRect();
  touched = true;
  moveBorder((100 * (event.clientX - box.left)) / box.width);
}

stage.addEventListener("pointerdown", (event) => {
  if (stage.dataset.empty === "true") return;
  stage.setPointerCapture(event.pointerId);
  dragTo(event);
});
stage.addEventListener("pointermove", (event) => {
  if (stage.hasPointerCapture(event.pointerId)) dragTo(event);
});
border.addEventListener("keydown", (event) => {
  const now = Number(border.getAttribute("aria-valuenow"));
  const to = { ArrowLeft: now - 5, ArrowRight: now + 5, Home: 0, End: 100 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  touched = true;
  moveBorder(to);
});

