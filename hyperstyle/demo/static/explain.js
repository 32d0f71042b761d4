// Gradio's own buttons have no place for an explanation, and it makes those of the upload anew now and then: they get their
// tooltips whenever something on the page has changed. The last part of `take_home.js`, whose words it uses.
function explain() {
  const tell = (button, text) => button && button.title !== text && (button.title = text);
  tell(document.querySelector("#hs-upload button.upload-container"), words.UPLOAD_INFO);
  const sources = [words.UPLOAD_FILE_INFO, words.UPLOAD_CAMERA_INFO, words.UPLOAD_PASTE_INFO];
  document.querySelectorAll("#hs-upload .source-selection button").forEach((button, i) => tell(button, sources[i]));
  tell(document.getElementById("hs-save-face"), words.DOWNLOAD_FACE_INFO);
  tell(document.getElementById("hs-paste-back"), words.PASTE_BACK_INFO);
  tell(document.getElementById("hs-save-whole"), words.DOWNLOAD_WHOLE_INFO);
}
new MutationObserver(explain).observe(document.body, { childList: true, subtree: true });
explain();
