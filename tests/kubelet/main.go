// SPDX-License-Identifier: Apache-2.0

// Runs every scenario of scenarios.go against the kubelets of several minors, and prints who
// passed what. Each cell is a process in a mount namespace of its own, with an empty
// /var/lib, since the kubelet's device manager knows no other place for its socket.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

// One scenario on one minor.
type cell struct {
	Failed, Skipped string
	Notes           []string // measurements, for the reader
	took            time.Duration
	log             string
}

// No node if that was not built.
type minor struct{ name, node string }

const notBuilt = "not built"

var (
	kudevPath  = flag.String("kudev", "", "the `program` to test")
	logsPath   = flag.String("logs", "", "`directory` for the logs")
	only       = flag.String("run", "", "only scenarios that this `expression` matches")
	jobs       = flag.Int("jobs", runtime.NumCPU(), "so many at once")
	timeout    = flag.Duration("timeout", 10*time.Minute, "for one scenario")
	inside     = flag.String("inside", "", "internal: the scenario to run in this process")
	nodePath   = flag.String("node", "", "internal: its kubelet")
	beforePath = flag.String("before", "", "internal: the kubelet of the minor before")
	cdiPaths   = flag.String("cdi", "", "the `programs` of cdi/, separated by commas")
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: kubelet [OPTION]... MINOR=NODE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *inside != "" {
		runInside()
		return
	}
	var minors []minor
	for _, argument := range flag.Args() {
		name, node, found := strings.Cut(argument, "=")
		if !found {
			flag.Usage()
			os.Exit(2)
		}
		minors = append(minors, minor{name, node})
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var selected []scenario
	for _, each := range scenarios {
		if chosen.MatchString(each.name) {
			selected = append(selected, each)
		}
	}
	started := time.Now()
	if len(selected) == 0 {
		fmt.Fprintln(os.Stderr, "no scenario matches the expression")
		os.Exit(2)
	}
	cells := runAll(selected, minors)
	if !report(selected, minors, cells, time.Since(started)) {
		os.Exit(1)
	}
}

func runAll(selected []scenario, minors []minor) [][]*cell {
	cells := make([][]*cell, len(selected))
	free := make(chan struct{}, *jobs)
	var wait sync.WaitGroup
	for i, each := range selected {
		cells[i] = make([]*cell, len(minors))
		for j := range minors {
			free <- struct{}{}
			wait.Add(1)
			go func() {
				defer wait.Done()
				defer func() { <-free }()
				cells[i][j] = runOne(each, minors, j)
				if cells[i][j].Failed != "" {
					fmt.Printf("FAILED %s on %s: %s\n", each.name, minors[j].name,
						cells[i][j].Failed)
				}
			}()
		}
	}
	wait.Wait()
	return cells
}

func runOne(each scenario, minors []minor, index int) *cell {
	result := &cell{Skipped: each.skip}
	before := ""
	if each.upgrade && each.skip == "" {
		before, result.Skipped = minorBefore(minors, index)
	}
	if each.cdi && *cdiPaths == "" {
		result.Skipped = "the modules of CDI's library are not to be had"
	}
	if minors[index].node == "" {
		result.Skipped = notBuilt
	}
	if result.Skipped != "" {
		return result
	}
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(each.name, "-"), "-")
	result.log = filepath.Join(*logsPath, minors[index].name, name+".log")
	started := time.Now()
	err := runProcess(result, each, minors[index].node, before)
	if err != nil && result.Failed == "" {
		result.Failed = err.Error()
	}
	result.took = time.Since(started)
	return result
}

// minorBefore returns the kubelet of the minor before, or why there is none.
func minorBefore(minors []minor, index int) (node, why string) {
	major, text, _ := strings.Cut(minors[index].name, ".")
	number, err := strconv.Atoi(text)
	if err != nil {
		return "", minors[index].name + " is no minor"
	}
	name := fmt.Sprintf("%s.%d", major, number-1)
	for _, each := range minors {
		if each.name == name && each.node == "" {
			return "", name + " was not built"
		}
		if each.name == name {
			return each.node, ""
		}
	}
	return "", name + " is not among the minors"
}

// runProcess starts this program again, in namespaces of its own; what it found comes back
// on descriptor 3, all it and its children say goes into the log.
func runProcess(result *cell, each scenario, node, before string) error {
	if err := os.MkdirAll(filepath.Dir(result.log), 0o755); err != nil {
		return err
	}
	log, err := os.Create(result.log)
	if err != nil {
		return err
	}
	defer log.Close()
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	command := exec.Command("/proc/self/exe", "-inside", each.name, "-kudev", *kudevPath,
		"-node", node, "-before", before, "-cdi", *cdiPaths, "-timeout",
		timeout.String())
	command.Stdout, command.Stderr, command.ExtraFiles = log, log, []*os.File{out}
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	err = command.Start()
	out.Close()
	if err != nil {
		return err
	}
	decodeError := json.NewDecoder(in).Decode(result)
	if err := command.Wait(); err != nil {
		return fmt.Errorf("%w; see %s", err, result.log)
	}
	return decodeError
}

// runInside is the other end of runProcess.
func runInside() {
	var result cell
	for _, each := range scenarios {
		if each.name == *inside {
			result.Failed = runScenario(each, &result)
		}
	}
	if err := json.NewEncoder(os.NewFile(3, "result")).Encode(&result); err != nil {
		panic(err)
	}
	if result.Failed != "" {
		os.Exit(1)
	}
}

func report(selected []scenario, minors []minor, cells [][]*cell, took time.Duration) bool {
	width := 0
	for _, each := range selected {
		width = max(width, utf8.RuneCountInString(each.name))
	}
	fmt.Printf("\n%-*s", width, "scenario")
	for _, each := range minors {
		fmt.Printf("  %12s", each.name)
	}
	fmt.Println()
	passed, failed, skipped := 0, 0, 0
	for i, each := range selected {
		fmt.Printf("%-*s", width, each.name)
		for j := range minors {
			word := fmt.Sprintf("ok %7.1f s", cells[i][j].took.Seconds())
			switch {
			case cells[i][j].Failed != "":
				word = fmt.Sprintf("FAIL %5.1f s", cells[i][j].took.Seconds())
				failed++
			case cells[i][j].Skipped == notBuilt:
				word = notBuilt
				skipped++
			case cells[i][j].Skipped != "":
				word = "n/a"
				skipped++
			default:
				passed++
			}
			fmt.Printf("  %12s", word)
		}
		fmt.Println()
	}
	reportNotes(selected, minors, cells)
	fmt.Printf("\nran for %.0f s\n%d passed, %d failed, %d skipped\n", took.Seconds(),
		passed, failed, skipped)
	return failed == 0
}

func reportNotes(selected []scenario, minors []minor, cells [][]*cell) {
	for i, each := range selected {
		var lines []string
		for j := range minors {
			this := cells[i][j]
			if each.skip == "" && this.Skipped != "" && this.Skipped != notBuilt {
				lines = append(lines, fmt.Sprintf("  %s  n/a: %s", minors[j].name, this.Skipped))
			}
			if len(this.Notes) > 0 {
				lines = append(lines, fmt.Sprintf("  %s  %s", minors[j].name,
					strings.Join(this.Notes, "; ")))
			}
			if this.Failed != "" {
				lines = append(lines, fmt.Sprintf("  %s  FAILED: %s (%s)", minors[j].name,
					this.Failed, this.log))
			}
		}
		if each.about+each.skip != "" || len(lines) > 0 {
			fmt.Printf("\n%s\n", strings.TrimSpace(each.name+": "+each.about+each.skip))
		}
		for _, line := range lines {
			fmt.Println(line)
		}
	}
}
