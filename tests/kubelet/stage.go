// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Where things are on the little node that a scenario has for itself.
const (
	pluginDirectory = "/var/lib/kubelet/device-plugins"
	deviceDirectory = "/var/lib/dev"
	simDirectory    = "/var/lib/sim"
	cdiDirectory    = "/var/lib/cdi"
)

// Far more than anything takes, on a slow and busy machine too, and less than the 30 s after
// which kudev looks again without having been told.
const patience = 25 * time.Second

// A scenario's own node. Whatever goes wrong ends the scenario, by a panic with a failure.
type stage struct {
	result  *cell
	node    string // the program
	before  string // that of the minor before, for an upgrade
	kudevs  []*kudev
	kubelet *kubelet
	configs int
}

type failure string

func fail(format string, arguments ...any) {
	panic(failure(fmt.Sprintf(format, arguments...)))
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func expect(holds bool, format string, arguments ...any) {
	if !holds {
		fail(format, arguments...)
	}
}

func (s *stage) note(format string, arguments ...any) {
	s.result.Notes = append(s.result.Notes, fmt.Sprintf(format, arguments...))
}

// runScenario returns why it failed.
func runScenario(each scenario, result *cell) (failed string) {
	syscall.CloseOnExec(3)
	s := &stage{result: result, node: *nodePath, before: *beforePath}
	time.AfterFunc(*timeout, func() {
		fmt.Fprintln(os.Stderr, "timeout")
		debug.SetTraceback("all")
		panic("this scenario did not end in time")
	})
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case failure:
			failed = string(problem)
			fmt.Fprintln(os.Stderr, "FAILED:", failed)
		default:
			panic(problem)
		}
	}()
	check(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	check(syscall.Mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755"))
	for _, directory := range []string{pluginDirectory, deviceDirectory, simDirectory} {
		check(os.MkdirAll(directory, 0o755))
	}
	each.run(s)
	for _, daemon := range s.kudevs {
		daemon.stop()
	}
	left, err := filepath.Glob(pluginDirectory + "/*kudev-*")
	check(err)
	expect(len(left) == 0, "kudev left %v behind", left)
	return ""
}

// plug creates a device, below deviceDirectory.
func plug(name string) {
	path := filepath.Join(deviceDirectory, name)
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path, nil, 0o666))
}

func unplug(name string) {
	check(os.Remove(filepath.Join(deviceDirectory, name)))
}

// config writes a configuration of these classes, each in YAML's flow style.
func (s *stage) config(classes ...string) string {
	s.configs++
	path := fmt.Sprintf("/var/lib/kudev%d.yaml", s.configs)
	text := "domain: example.com\nclasses:\n"
	for _, class := range classes {
		text += "  - " + class + "\n"
	}
	check(os.WriteFile(path, []byte(text), 0o644))
	return path
}

func simulate(name string, count int, more string) string {
	return fmt.Sprintf("{name: %s, simulate: {count: %d, directory: %s%s}", name, count,
		simDirectory, more) + "}"
}

// A process of kudev; all of its log.
type kudev struct {
	arguments []string
	command   *exec.Cmd
	ended     chan error
	mutex     sync.Mutex
	text      bytes.Buffer
	stopped   bool
}

func (k *kudev) Write(data []byte) (int, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	os.Stderr.Write(data)
	return k.text.Write(data)
}

func (k *kudev) logged(text string) int {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return strings.Count(k.text.String(), text)
}

func (k *kudev) waitLogged(text string, count int) {
	waitUntil(func() bool { return k.logged(text) >= count },
		"kudev did not log %q %d times", text, count)
}

// run starts "kudev run".
func (s *stage) run(arguments ...string) *kudev {
	daemon := &kudev{arguments: arguments, ended: make(chan error, 1)}
	daemon.command = command(*kudevPath, append(
		[]string{"run", "--listen", "none", "--log-format", "text", "--cdi-directory",
			cdiDirectory}, arguments...)...)
	daemon.command.Stderr = daemon
	check(daemon.command.Start())
	go func() { daemon.ended <- daemon.command.Wait() }()
	s.kudevs = append(s.kudevs, daemon)
	return daemon
}

// stop ends kudev as a DaemonSet's pod ends.
func (k *kudev) stop() {
	if !k.stopped {
		k.terminate()
		k.waitEnded()
	}
}

func (k *kudev) terminate() {
	k.stopped = true
	check(k.command.Process.Signal(syscall.SIGTERM))
}

func (k *kudev) waitEnded() {
	select {
	case err := <-k.ended:
		expect(err == nil, "kudev ended with %v", err)
	case <-time.After(patience):
		fail("kudev did not end on SIGTERM")
	}
}

func (k *kudev) kill() {
	k.killNow()
	<-k.ended
}

// frozen runs a function while kudev stands still; what comes waits for it.
func (k *kudev) frozen(run func()) { frozen(k.command.Process.Pid, run) }

// killNow does not wait for its end.
func (k *kudev) killNow() {
	k.stopped = true
	check(k.command.Process.Kill())
}

// command is one that ends with this process.
func command(path string, arguments ...string) *exec.Cmd {
	command := exec.Command(path, arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "KUDEV_") {
			command.Env = append(command.Env, variable)
		}
	}
	return command
}

// What "kudev check -o json" says.
type checked struct {
	Classes []struct {
		Name, Resource string
		Devices        []struct {
			ID, CDIName string
			NUMANode    *int
			Nodes       []checkedNode
		}
	}
}

type checkedNode struct {
	Type, HostPath, ContainerPath, Permissions string
	ReadOnly                                   bool
}

func checkJSON(arguments ...string) (found checked) {
	check(json.Unmarshal(runCommand(0, append([]string{"check", "-o", "json"}, arguments...)...),
		&found))
	return found
}

// runCommand runs kudev to its end, and returns what it said.
func runCommand(status int, arguments ...string) []byte {
	var said, complained bytes.Buffer
	command := command(*kudevPath, arguments...)
	command.Stdout, command.Stderr = &said, &complained
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fail("%v", err)
	}
	code := command.ProcessState.ExitCode()
	expect(code == status, "kudev %s: exit status %d, not %d: %s", arguments[0], code, status,
		&complained)
	if status != 0 {
		return complained.Bytes()
	}
	return said.Bytes()
}

// frozen runs a function while the process stands still.
func frozen(pid int, run func()) {
	check(syscall.Kill(pid, syscall.SIGSTOP))
	run()
	check(syscall.Kill(pid, syscall.SIGCONT))
}

func waitUntil(holds func() bool, format string, arguments ...any) {
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		expect(time.Now().Before(deadline), format, arguments...)
	}
}

// deviceNumber is that of a node, to which a link may lead, with "c" or "b".
func deviceNumber(path string) (kind string, major, minor int64) {
	var status syscall.Stat_t
	check(syscall.Stat(path, &status))
	kind = map[uint32]string{syscall.S_IFCHR: "c", syscall.S_IFBLK: "b"}[status.Mode&syscall.S_IFMT]
	expect(kind != "", "%s is no node", path)
	return kind, int64(status.Rdev >> 8 & 0xfff), int64(status.Rdev&0xff | status.Rdev>>12&^0xff)
}
