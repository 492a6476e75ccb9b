package metal

import (
	"fmt"
	"sort"
	"strings"
	"sync"
)

// opener makes a device, or says why it cannot.
type opener func() (Device, error)

var (
	registryMu sync.Mutex
	registry   = map[string]opener{}
)

// preference is the order in which Open("") tries devices: the Apple GPU, then
// the software device. exact, null and check are only opened by name.
var preference = []string{"metal", "soft"}

// Register makes a device available under name. Device packages call it from
// init, as database drivers do.
func Register(name string, open func() (Device, error)) {
	registryMu.Lock()
	defer registryMu.Unlock()
	if _, dup := registry[name]; dup {
		panic("metal: device registered twice: " + name)
	}
	registry[name] = open
}

// Names lists the registered devices in alphabetical order.
func Names() []string {
	registryMu.Lock()
	defer registryMu.Unlock()
	names := make([]string, 0, len(registry))
	for n := range registry {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Choice tells which device Open picked, and why.
type Choice struct {
	Name   string
	Reason string
}

// Open opens the device called name; "" picks the Apple GPU if there is one,
// else the software device. The choice carries the reason, so that falling
// back is never silent.
func Open(name string) (Device, Choice, error) {
	if name != "" {
		open := lookup(name)
		if open == nil {
			return nil, Choice{}, fmt.Errorf("metal: unknown device %q (there are: %s)", name, strings.Join(Names(), ", "))
		}
		dev, err := open()
		if err != nil {
			return nil, Choice{}, fmt.Errorf("metal: device %s: %w", name, err)
		}
		return dev, Choice{name, "asked for"}, nil
	}
	var reasons []string
	for _, n := range preference {
		open := lookup(n)
		if open == nil {
			reasons = append(reasons, n+" is not part of this build")
			continue
		}
		dev, err := open()
		if err == nil {
			reason := "first choice"
			if len(reasons) > 0 {
				reason = strings.Join(reasons, "; ")
			}
			return dev, Choice{n, reason}, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", n, err))
	}
	return nil, Choice{}, fmt.Errorf("metal: no device: %s", strings.Join(reasons, "; "))
}

func lookup(name string) opener {
	registryMu.Lock()
	defer registryMu.Unlock()
	return registry[name]
}
