#!/usr/bin/env bash
# Compares the prompt of this change with the one in use; see action.yml for what each variable is.
set -euo pipefail

if [ -n "${GATE_INSTALL:-}" ]; then
    # Several words: a requirement and its options.
    # shellcheck disable=SC2086
    python -m pip install --quiet $GATE_INSTALL
fi

files="$(mktemp -d)"
junit="$files/llmopt-gate.xml"
summary="$files/llmopt-gate.md"
gate=()
texts=(--file "$GATE_PROMPT")
if [ -n "${GATE_MIN:-}" ]; then
    gate+=(--min "$GATE_MIN")
fi
if [ -n "${GATE_BASE:-}" ] && git cat-file -e "$GATE_BASE:./$GATE_PROMPT" 2> /dev/null; then
    git show "$GATE_BASE:./$GATE_PROMPT" > "$files/in-use.txt"
    if ! cmp -s "$files/in-use.txt" "$GATE_PROMPT"; then
        texts=(--file "$files/in-use.txt" "${texts[@]}")
        if [ -n "${GATE_FAIL_IF:-}" ]; then
            gate+=(--fail-if "$GATE_FAIL_IF")
        fi
    fi
fi
echo "junit=$junit" >> "$GITHUB_OUTPUT"
if [ ${#gate[@]} -eq 0 ]; then
    echo "The prompt is as it was, and no lowest score is given: there is nothing to measure."
    echo "passed=true" >> "$GITHUB_OUTPUT"
    exit 0
fi

code=0
# Further options are several words.
# shellcheck disable=SC2086
llmopt evaluate --config "$GATE_CONFIG" "${texts[@]}" "${gate[@]}" \
    --junit "$junit" --summary "$summary" ${GATE_ARGUMENTS:-} || code=$?

if [ -s "$summary" ]; then
    cat "$summary" >> "$GITHUB_STEP_SUMMARY"
    if [ "${GATE_COMMENT:-}" = true ] && [ -n "${GATE_PULL_REQUEST:-}" ]; then
        # The job does not fail for want of the permission to comment.
        gh pr comment "$GATE_PULL_REQUEST" --edit-last --create-if-none --body-file "$summary" ||
            echo "::warning::The comment could not be written; the table is in the summary."
    fi
fi
echo "passed=$([ "$code" -eq 0 ] && echo true || echo false)" >> "$GITHUB_OUTPUT"
exit "$code"
