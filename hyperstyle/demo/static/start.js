// The last part of the viewer: everything above is there, so it can start.
moveBorder(50);
showStatus({ kind: "info", text: words.READY });
apply(props.value);
watch("value", () => apply(props.value));
