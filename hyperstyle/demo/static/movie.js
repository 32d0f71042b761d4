// The movie that was made: status line, player and download. Gradio hands in `element`, `props` and `watch`; each value
// carries only what is new. The form hears from here whether a movie is being made, and how large it would be.
const status = element.querySelector(".hs-movie-status");
const stage = element.querySelector(".hs-movie-stage");
const download = element.querySelector("#hs-movie-download");

stage.querySelector("span").textContent = words.MOVIE_EMPTY;
status.textContent = words.MOVIE_READY;
download.textContent = words.MOVIE_DOWNLOAD;
download.title = words.MOVIE_DOWNLOAD_INFO;

function player(address, name) {
  const made = document.createElement(name.endsWith(".mp4") ? "video" : "img");
  if (made.tagName === "VIDEO") {
    Object.assign(made, { controls: true, autoplay: true, loop: true, muted: true, playsInline: true });
    made.setAttribute("aria-label", words.MOVIE_NAME);
  } else made.alt = words.MOVIE_NAME;
  made.src = address;
  return made;
}

let unwanted = 0; // number of the newest movie that was stopped; nothing more is heard of it

function tell({ kind, text }) {
  status.dataset.kind = kind;
  status.textContent = say(text);
}

function show() {
  const { status: news, plan: sentence, file, name, busy, number } = props.value ?? {};
  if (sentence != null) document.dispatchEvent(new CustomEvent("hs-movie-plan", { detail: say(sentence) }));
  if (number <= unwanted) return;
  if (news) {
    tell(news);
    document.dispatchEvent(new CustomEvent("hs-movie-busy", { detail: busy }));
  }
  if (file?.url) {
    stage.replaceChildren(player(file.url, name));
    download.href = file.url;
    download.download = name;
    download.hidden = false;
  }
}

document.addEventListener("hs-movie-stop", ({ detail }) => {
  unwanted = detail;
  tell({ kind: "info", text: words.MOVIE_STOPPED });
});
watch("value", show);
