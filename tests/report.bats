# The page that scripts/report draws from samples of shakeout --status.
# packages: python3 chromium

# shellcheck disable=SC2030,SC2031,SC2154 # `run` sets output and stderr, in this shell

load lib/env
load lib/hosts

setup() {
    shakeout_setup
    SAMPLES=$BATS_TEST_TMPDIR/samples
    PAGE=$BATS_TEST_TMPDIR/report.html
}

report() {
    "$SHAKEOUT_ROOT/scripts/report" "$@"
}

# A server with clients of every kind, sampled while they come and go.
sampled_run() {
    host_start threads
    ("$SHAKEOUT_CMD" --status --json --watch=50ms "$HOST_PID" >"$SAMPLES" 2>"$BATS_TEST_TMPDIR/end") 3>&- &
    local sampler=$!
    clients quick=30 silent=4 byte=2 hello=3 slow=2
    sleep 0.2
    host_stop
    wait "$sampler" || [[ $? == 1 ]]
}

@test "a run becomes one page that is well formed and needs nothing else" {
    sampled_run
    report --title 'A "run" & more' -o "$PAGE" "$SAMPLES"
    # It is written so that it is XML, too.
    /usr/bin/python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$PAGE"
    unless grep -E '(src|href|@import|url\()' "$PAGE"
    grep -q '<h1>A &quot;run&quot; &amp; more</h1>' "$PAGE"
    [[ $(grep -o '<svg' "$PAGE" | wc -l) == 3 ]]
    [[ $(grep -o '<polyline' "$PAGE" | wc -l) == 5 ]]
    grep -q 'deadline 1 s' "$PAGE"
    # 41 accepted, 32 finished, 9 shut.
    grep -q '<td>41</td><td>32</td><td>9</td>' "$PAGE"
}

@test "every chart is seen in a real browser" {
    command -v chromium >/dev/null || skip "missing: chromium"
    sampled_run
    report -o "$PAGE" "$SAMPLES"
    mkdir "$BATS_TEST_TMPDIR/profile"
    local shot=$SHAKEOUT_ROOT/build/tests/report.png
    rm -f "$shot"
    timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$BATS_TEST_TMPDIR/profile" \
        --hide-scrollbars --window-size=960,1500 --screenshot="$shot" "file://$PAGE" 2>"$BATS_TEST_TMPDIR/browser"
    # What the browser itself says of the charts: a size, and every line on the paper.
    timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$BATS_TEST_TMPDIR/profile" \
        --dump-dom "file://$PAGE" 2>"$BATS_TEST_TMPDIR/browser" >"$BATS_TEST_TMPDIR/dom"
    [[ $(grep -o '<svg' "$BATS_TEST_TMPDIR/dom" | wc -l) == 3 ]]
    [[ $(stat -c %s "$shot") -gt 20000 ]]
}

@test "a server without a handshake, two servers, a single sample" {
    sampled_run
    head -n 1 "$SAMPLES" >"$BATS_TEST_TMPDIR/first"
    report "$BATS_TEST_TMPDIR/first" >"$PAGE"
    grep -q '<p>None has finished.</p>' "$PAGE"
    sed 's/"pid":[0-9]*/"pid":7/g' "$SAMPLES" | report "$SAMPLES" - >"$PAGE"
    [[ $(grep -c '<h2>' "$PAGE") == 2 ]]
    grep -q '<h2>threads (7)</h2>' "$PAGE"
}

@test "what is no sample is an error of one line" {
    run -1 --separate-stderr report <<<'{"time": 1}'
    [[ $stderr == "report: line 1 is no sample of \`shakeout --status --json\`: KeyError('servers')" ]]
    run -1 --separate-stderr report </dev/null
    [[ $stderr == "report: no samples" ]]
    run -1 --separate-stderr report /nonexistent
    [[ $stderr == "report: "*"No such file or directory"* && $output == "" ]]
}
