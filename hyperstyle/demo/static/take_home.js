// Under the result: back into the photo, recipes, and what downloads say. Gradio hands in `element`, `props`, `trigger`.
const box = element.querySelector(".hs-take-home");
const state = structuredClone(props.value);

const follow = []; // one for each control: goes where the state says

function write() {
  props.value = structuredClone(state);
}

// A photo on show follows what is set; before there is one, the button reads it.
function settle() {
  write();
  if (document.querySelector("#hs-whole img[src]")) trigger("input");
}

function check(id, label, info, checked, changed) {
  const input = make("input", { type: "checkbox", id, "aria-describedby": info && `${id}-info`, onchange: () => changed(input.checked) });
  follow.push(() => (input.checked = checked()));
  const note = info ? make("p", { class: "info-text", id: `${id}-info` }, info) : null;
  return make("div", { class: "hs-check" }, input, make("div", {}, make("label", { for: id }, label), note));
}

function choose(name, legend, options) {
  const rows = options.map((option) => {
    const id = `hs-${name}-${option.name}`;
    const input = make("input", {
      type: "radio", name: `hs-${name}`, id, "aria-describedby": `${id}-info`,
      onchange: () => {
        state[name] = option.name;
        settle();
      },
    });
    follow.push(() => (input.checked = state[name] === option.name));
    return make(
      "div", { class: "hs-check" }, input,
      make("div", {}, make("label", { for: id }, say(option.label)), make("p", { class: "info-text", id: `${id}-info` }, say(option.info))),
    );
  });
  return make("fieldset", { id: `hs-${name}` }, make("legend", {}, legend), ...rows);
}

function slide(name, label, info, range) {
  const slider = makeSlider({
    ...range, id: `hs-${name}`, label, info, words,
    moved: (value) => {
      state[name] = value;
    },
    rested: settle,
  });
  follow.push(() => slider.set(state[name]));
  return slider.row;
}

function keep(region, info) {
  return check(`hs-keep-${region.name}`, say(region.label), info, () => state.keep.includes(region.name), (on) => {
    state.keep = state.keep.filter((name) => name !== region.name);
    if (on) state.keep.push(region.name);
    settle();
  });
}

function fold(id, label, ...content) {
  return make("details", { class: "hs-group", id }, make("summary", { class: "label-wrap" }, make("span", {}, label)), ...content);
}

const button = (id, label, title, onclick) => make("button", { type: "button", class: "hs-button", id, title, onclick }, label);

// Back in the photo

const [background, ...others] = props.regions;
const whole = fold(
  "hs-whole-fold", words.WHOLE_HEADING,
  keep(background, words.KEEP_BACKGROUND_INFO),
  choose("shape", words.SHAPE_LABEL, props.shapes),
  slide("feather", words.FEATHER_LABEL, words.FEATHER_INFO, props.feather),
  slide("colour_match", words.COLOUR_MATCH_LABEL, words.COLOUR_MATCH_INFO, { minimum: 0, maximum: 1, step: 0.05, rest: 0 }),
  choose("blend", words.BLEND_LABEL, props.blends),
  make(
    "details", { class: "hs-keep-more" }, make("summary", {}, words.KEEP_MORE),
    ...others.map((region) => keep(region, say(region.info))),
  ),
);

// Recipes

const link = make("input", { type: "text", id: "hs-link", readonly: true, hidden: true, "aria-label": words.LINK_NAME, title: words.LINK_COPY_INFO, onfocus: () => link.select() });
const copied = make("p", { class: "hs-note", role: "status", id: "hs-link-copied" });
const recipe = fold(
  "hs-recipe-fold", words.RECIPE_HEADING,
  make("p", { class: "info-text" }, words.RECIPE_INFO),
  check("hs-recipe-face", words.RECIPE_FACE, words.RECIPE_FACE_INFO, () => state.face, (on) => {
    state.face = on;
    write();
  }),
  make(
    "div", { class: "hs-tools" },
    button("hs-recipe-save", words.RECIPE_SAVE, words.RECIPE_INFO, () => {
      write();
      trigger("submit");
    }),
    button("hs-recipe-load", words.RECIPE_LOAD, words.RECIPE_LOAD_INFO, () => document.querySelector(props.file)?.click()),
    button("hs-link-copy", words.LINK_COPY, words.LINK_COPY_INFO, () => trigger("select", { action: "link" })),
  ),
  link, copied,
);

box.append(
  make("p", { class: "hs-note" }, words.PROVENANCE),
  check("hs-mark", words.VISIBLE_MARK, words.VISIBLE_MARK_INFO, () => state.mark, (on) => {
    state.mark = on;
    write();
  }),
  whole,
  recipe,
);
follow.forEach((one) => one());

// A recipe was loaded; what it says nothing of stays.
document.addEventListener("hs-take", ({ detail }) => {
  Object.assign(state, structuredClone(detail));
  follow.forEach((one) => one());
  settle();
});

// Where the clipboard is closed to the page, the address stands in the field, to be copied by hand.
document.addEventListener("hs-link", async ({ detail }) => {
  link.value = `${location.origin}${location.pathname}#${detail}`;
  link.hidden = false;
  copied.textContent = "";
  try {
    await navigator.clipboard.writeText(link.value);
    copied.textContent = words.LINK_COPIED;
  } catch {
    link.focus();
  }
});

// What follows the # of an address stays in the browser; the page itself passes a recipe on.
function openLink() {
  if (/[#&]recipe=/.test(location.hash)) trigger("select", { action: "open_link", link: location.hash });
}
window.addEventListener("hashchange", openLink);
setTimeout(openLink); // once the other parts of the page are there
